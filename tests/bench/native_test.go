//go:build linux

package bench

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// nativeServer answers enough of the protocol for one client that makes no
// mistakes, and moves bytes in the quickest way Go knows.
func nativeServer(l net.Listener, root string) {
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go nativeSession(conn, root)
		}
	}()
}

func nativeSession(conn net.Conn, root string) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 512)
	var passive net.Listener
	say := func(text string) { io.WriteString(conn, text+"\r\n") }
	protected := false
	transfer := func(move func(net.Conn) error) {
		say("150 Here it comes.")
		data, err := passive.Accept()
		passive.Close()
		if err == nil {
			if protected {
				data = tls.Server(data, certificate())
			}
			err = move(data)
			data.Close()
		}
		if err != nil {
			say("451 " + err.Error())
			return
		}
		say("226 Transfer complete.")
	}
	ascii := false
	say("220 Ready.")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, argument, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		name := filepath.Join(root, argument)
		switch verb {
		case "USER":
			say("331 Password?")
		case "PASS":
			say("230 Logged in.")
		case "NOOP":
			say("200 Fine.")
		case "AUTH":
			say("234 Go ahead.")
			conn = tls.Server(conn, certificate())
			in = bufio.NewReaderSize(conn, 512)
		case "PBSZ", "PROT":
			protected = true
			say("200 Fine.")
		case "TYPE":
			ascii = argument == "A"
			say("200 Type set.")
		case "EPSV":
			passive, _ = net.Listen("tcp", "127.0.0.1:0")
			say("229 Entering (|||" + strconv.Itoa(passive.Addr().(*net.TCPAddr).Port) + "|)")
		case "SIZE":
			if info, err := os.Stat(name); err != nil {
				say("550 " + err.Error())
			} else {
				say("213 " + strconv.FormatInt(info.Size(), 10))
			}
		case "RETR":
			transfer(func(data net.Conn) error { return nativeRetrieve(data, name, ascii) })
		case "STOR":
			transfer(func(data net.Conn) error { return nativeStore(data, name) })
		case "LIST":
			transfer(func(data net.Conn) error { return nativeList(data, root, appendLong) })
		case "MLSD":
			transfer(func(data net.Conn) error { return nativeList(data, root, appendFacts) })
		case "QUIT":
			say("221 Bye.")
			return
		}
	}
}

func nativeRetrieve(data net.Conn, name string, ascii bool) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if !ascii {
		_, err = io.Copy(data, file)
		return err
	}
	in, out := make([]byte, 128<<10), make([]byte, 0, 256<<10)
	for {
		n, err := file.Read(in)
		out = out[:0]
		for rest := in[:n]; len(rest) > 0; {
			at := bytes.IndexByte(rest, '\n')
			if at < 0 {
				out = append(out, rest...)
				break
			}
			out = append(append(out, rest[:at]...), '\r', '\n')
			rest = rest[at+1:]
		}
		if _, err := data.Write(out); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func nativeStore(data net.Conn, name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.ReadFrom(data)
	return err
}

// nativeList sends a line for each file, which form appends.
func nativeList(data net.Conn, root string, form func([]byte, fs.FileInfo) []byte) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(data, 64<<10)
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			continue
		}
		line := append(form(out.AvailableBuffer(), info), entry.Name()...)
		out.Write(append(line, '\r', '\n'))
	}
	return out.Flush()
}

// appendLong appends what LIST says before the name, as ls -l does.
func appendLong(line []byte, info fs.FileInfo) []byte {
	line = append(line, info.Mode().String()...)
	line = append(line, "    1 ftp      ftp      "...)
	line = strconv.AppendInt(line, info.Size(), 10)
	return info.ModTime().UTC().AppendFormat(append(line, ' '), "Jan _2 15:04 ")
}

// appendFacts appends what MLSD says before the name of a file (RFC 3659 §7.2).
func appendFacts(line []byte, info fs.FileInfo) []byte {
	line = strconv.AppendInt(append(line, "type=file;size="...), info.Size(), 10)
	line = info.ModTime().UTC().AppendFormat(append(line, ";modify="...), "20060102150405")
	line = append(line, ";perm=adfrw;UNIX.mode=0"...)
	return append(strconv.AppendInt(line, int64(info.Mode().Perm()), 8), "; "...)
}
