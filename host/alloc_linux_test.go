package host_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// meek is a client whose commands allocate nothing: what is counted is the server's.
type meek struct {
	t    *testing.T
	conn net.Conn
	buf  [4096]byte

	bytes [256 << 10]byte // of a file
}

// say sends a command and returns the reply, which has this code.
func (c *meek) say(line []byte, code string) []byte {
	c.conn.Write(line)
	n := 0
	for !bytes.HasSuffix(c.buf[:n], []byte("\r\n")) {
		more, err := c.conn.Read(c.buf[n:])
		if err != nil {
			c.t.Fatal(err)
		}
		n += more
	}
	if !bytes.HasPrefix(c.buf[:n], []byte(code)) {
		c.t.Fatalf("%q: %q", line, c.buf[:n])
	}
	return c.buf[:n]
}

// A command allocates nothing in the engine and the host. A transfer allocates less than once
// for each further MiB: Go's own sendfile does so for each piece.
func TestAllocations(t *testing.T) {
	root := t.TempDir()
	c := quiet(t, root)
	for _, line := range []string{"NOOP", "PWD", "TYPE I", "SYST", "REST 10", "REST 0"} {
		command := []byte(line + "\r\n")
		if n := testing.AllocsPerRun(2000, func() { c.say(command, "") }); n > 0 {
			t.Errorf("%s allocates %v times", line, n)
		}
	}
	retrieve := func(size int64) float64 {
		file := filepath.Join(root, "file")
		if os.WriteFile(file, nil, 0o644) != nil || os.Truncate(file, size) != nil {
			t.Fatal("no file")
		}
		return testing.AllocsPerRun(10, func() { c.retrieve(size) })
	}
	if short, long := retrieve(1<<20), retrieve(256<<20); long > short+255 {
		t.Errorf("256 MiB allocate %v times, 1 MiB %v", long, short)
	}
}

// quiet is a client that is logged in to a server of its own.
func quiet(t *testing.T, root string) *meek {
	t.Helper()
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	account := host.Account{FS: dir, Rights: host.ReadWrite, Close: dir.Close}
	authenticate := func(context.Context, host.Login) (*host.Account, error) { return &account, nil }
	server, err := host.New(host.Config{Authenticator: host.AuthenticatorFunc(authenticate)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	l, err := host.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &meek{t: t, conn: conn}
	c.say(nil, "220")
	c.say([]byte("USER u\r\n"), "331")
	c.say([]byte("PASS p\r\n"), "230")
	return c
}

// retrieve fetches file, which has so many bytes.
func (c *meek) retrieve(size int64) {
	var port int
	reply := c.say([]byte("EPSV\r\n"), "229")
	fmt.Sscanf(string(reply[bytes.IndexByte(reply, '('):]), "(|||%d|)", &port)
	data, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		c.t.Fatal(err)
	}
	defer data.Close()
	together := bytes.Contains(c.say([]byte("RETR file\r\n"), "150"), []byte("\r\n226"))
	for n := int64(0); n < size; {
		more, err := data.Read(c.bytes[:])
		if n += int64(more); err != nil {
			c.t.Fatal(n, err)
		}
	}
	if !together {
		c.say(nil, "226")
	}
}
