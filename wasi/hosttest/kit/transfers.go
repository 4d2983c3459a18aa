package kit

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"
	"net"
	"strings"

	"wasiftp/wasi"
)

// large is more than fits into what a host and its system keep for a connection.
const large = 8 << 20

var transferChecks = []Check{
	{"transfer_start", "result EventTransfer",
		"sends a file, hangs up, and EventTransfer says OK and how many bytes", func(c *Trial) {
			c.enter()
			for name, content := range map[string]string{"empty": "", "small": content, "large": string(pattern(3<<20 + 7))} {
				name = c.made(name, content)
				got, e := c.download(c.Open(name, 0, 0), 0, 0)
				c.moved(e, len(content))
				c.once(wasi.EventTransfer)
				if got != content {
					c.T.Errorf("%d bytes come of %d, or others", len(got), len(content))
				}
			}
		}},
	{"transfer_start", "result", "begins where file_open said, and ends after length bytes", func(c *Trial) {
		c.enter()
		name := c.made("file", "0123456789")
		for _, part := range []struct {
			offset, length uint64
			want           string
		}{{3, 0, "3456789"}, {3, 4, "3456"}, {0, 4, "0123"}, {8, 100, "89"}, {10, 0, ""}, {1, 1<<32 + 2, "123456789"}} {
			got, e := c.download(c.Open(name, 0, part.offset), 0, part.length)
			c.moved(e, len(part.want))
			if got != part.want {
				c.T.Errorf("%d bytes from %d on are %q, not %q", part.length, part.offset, got, part.want)
			}
		}
	}},
	{"transfer_start", "result",
		"flag 1 sends each LF as CRLF, and the CR that is there as it is; length counts the file's bytes", func(c *Trial) {
			c.enter()
			text := "one\ntwo\r\n\nthree\r"
			name := c.made("text", text)
			got, e := c.download(c.Open(name, 0, 0), wasi.TransferASCII, 0)
			if want := []string{"one\r\ntwo\r\r\n\r\nthree\r", "one\r\ntwo\r\n\r\nthree\r"}; got != want[0] && got != want[1] {
				c.T.Errorf("%q goes as %q, not as %q or %q", text, got, want[0], want[1])
			}
			c.moved(e, len(got))
			if got, _ := c.download(c.Open(name, 0, 0), wasi.TransferASCII, 4); got != "one\r\n" {
				c.T.Errorf("4 bytes of %q go as %q", text, got)
			}
		}},
	{"transfer_start", "result", "flag 1 stores each CRLF as LF, wherever the connection cuts it", func(c *Trial) {
		c.enter()
		name := c.name("text")
		file := c.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
		conn, client := c.Data()
		client.SetNoDelay(true)
		c.Must(wasi.TransferStart, file, conn, wasi.TransferASCII, 0)
		for _, part := range []string{"one\r", "\ntwo\n\r", "\r\n", "\rthree"} {
			io.WriteString(client, part)
			c.life()
		}
		client.Close()
		c.moved(c.Event(wasi.EventTransfer, file), len("one\r\ntwo\n\r\r\n\rthree"))
		c.succeed(wasi.FileCommit, c.Call(wasi.FileCommit, file))
		c.has(name, "one\ntwo\n\r\n\rthree")
	}},
	{"transfer_start", "result EventTransfer",
		"receives a file until the client's end, and EventTransfer says OK and how many bytes", func(c *Trial) {
			c.enter()
			for name, content := range map[string]string{"empty": "", "large": string(pattern(3<<20 + 7))} {
				name = c.name(name)
				file := c.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
				c.moved(c.upload(file, content, 0, 0), len(content))
				c.succeed(wasi.FileCommit, c.Call(wasi.FileCommit, file))
				if got := c.content(name); got != content {
					c.T.Errorf("%d bytes were sent, and %d stored, or others", len(content), len(got))
				}
			}
		}},
	{"transfer_start", "EINVAL", "EINVAL is how an upload of more than length ends, and no more is stored", func(c *Trial) {
		c.enter()
		name := c.made("file", "0123456789")
		file := c.Open(name, wasi.OpenWrite, 2)
		if e := c.upload(file, "abcd", 0, 3); e.Errno != wasi.EINVAL {
			c.T.Errorf("4 bytes of 3: EventTransfer says %v, not EINVAL", e.Errno)
		}
		c.Must(wasi.HandleClose, file)
		c.uploads(c.made("exact", "0123456789"), wasi.OpenWrite, 2, "abc", "01abc56789")
		got := c.content(name)
		if len(got) != 10 || got[5:] != "56789" {
			c.T.Errorf("after an upload of 4 bytes of 3 at 2 the file is %q", got)
		}
	}},
	{"transfer_start", "EventTransfer", "an upload whose client resets ends with an errno", func(c *Trial) {
		c.enter()
		if e := c.resetUpload(c.Open(c.name("file"), wasi.OpenWrite|wasi.OpenTruncate, 0), content); e.Errno == wasi.OK {
			c.T.Errorf("EventTransfer says OK")
		}
	}},
	{"transfer_start", "EventTransfer", "a download whose client hangs up ends with an errno", func(c *Trial) {
		c.enter()
		file := c.Open(c.made("large", string(pattern(large))), 0, 0)
		conn, client := c.Data()
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		io.ReadFull(client, make([]byte, 1000))
		client.SetLinger(0)
		client.Close()
		if e := c.Event(wasi.EventTransfer, file); e.Errno == wasi.OK {
			c.T.Errorf("EventTransfer says OK, after %d bytes of %d", e.Value, large)
		}
	}},
	{"transfer_start", "result", "a download that the engine gives up is reset: it must not look complete", func(c *Trial) {
		c.enter()
		file := c.Open(c.made("large", string(pattern(large))), 0, 0)
		conn, client := c.Data()
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		io.ReadFull(client, make([]byte, 1000))
		c.Must(wasi.HandleClose, file)
		if n, err := io.Copy(io.Discard, client); err == nil {
			c.T.Errorf("after %d bytes of %d the client sees an end in order", n+1000, large)
		} else if timedOut(err) {
			c.T.Errorf("the connection stays open")
		}
	}},
	{"transfer_start", "result", "an upload that the engine gives up hangs up, and its name can be used", func(c *Trial) {
		c.enter()
		name := c.name("file")
		file := c.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
		conn, client := c.Data()
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		io.WriteString(client, content)
		c.Must(wasi.HandleClose, file)
		if n, err := client.Read(make([]byte, 1)); n > 0 || timedOut(err) {
			c.T.Errorf("the client gets %d bytes, %v", n, err)
		}
		c.put(name, "other")
		c.has(name, "other")
	}},
	{"transfer_start", "handles", "takes the data connection over: its handle is EBADF from then on", func(c *Trial) {
		c.enter()
		name := c.made("file", content)
		file, again := c.Open(name, 0, 0), c.Open(name, 0, 0)
		conn, client := c.Data()
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		c.refused(wasi.EBADF, wasi.TransferStart, again, conn, 0, 0)
		c.refused(wasi.EBADF, wasi.HandleClose, conn)
		c.ended(client, content)
		c.finish(c.Event(wasi.EventTransfer, file))
		other, _ := c.Data()
		c.refused(wasi.EBADF, wasi.TransferStart, file, other, 0, 0)
	}},
	{"transfer_start", "handles", "a file of one session never goes to another's client: EBADF", func(c *Trial) {
		c.enter()
		other := c.second()
		other.Login(c.Target.User, c.Target.Password)
		file := c.Open(c.made("file", content), 0, 0)
		conn, client := other.Data()
		c.refused(wasi.EBADF, wasi.TransferStart, file, conn, 0, 0)
		other.Must(wasi.HandleClose, conn)
		c.ended(client, "")
	}},
	{"transfer_start", "EINVAL", "EINVAL for an unknown flag or a negative length, and nothing has begun", func(c *Trial) {
		c.enter()
		file := c.Open(c.made("file", content), 0, 0)
		conn, client := c.Data()
		c.refused(wasi.EINVAL, wasi.TransferStart, file, conn, 2, 0)
		c.refused(wasi.EINVAL, wasi.TransferStart, file, conn, 0, 1<<63)
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		c.ended(client, content)
	}},
	{"transfer_start", "result", "what was written to the connection before goes first", func(c *Trial) {
		c.enter()
		file := c.Open(c.made("file", content), 0, 0)
		conn, client := c.Data()
		text := c.Text("before ")
		c.Must(wasi.NetWrite, conn, text[0], text[1], c.At(ResultAt))
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		c.ended(client, "before "+content)
	}},
	{"transfer_start", "result", "goes over a connection that was dialled, too", func(c *Trial) {
		c.enter()
		l := c.clientPort()
		file := c.Open(c.made("file", content), 0, 0)
		if errno := c.Dial(l.address); errno != wasi.OK {
			c.T.Fatalf("net_dial: %v", errno)
		}
		conn := c.Number(ResultAt)
		if e := c.Event(wasi.EventWritable, conn); e.Errno != wasi.OK {
			c.T.Fatalf("EventWritable says %v", e.Errno)
		}
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		client, err := l.Accept()
		if err != nil {
			c.T.Fatalf("nobody connects: %v", err)
		}
		defer client.Close()
		c.ended(client, content)
	}},
	{"transfer_start", "result", "a transfer that stands still keeps nobody waiting: the session and others go on", func(c *Trial) {
		c.enter()
		file := c.Open(c.made("large", string(pattern(large))), 0, 0)
		conn, client := c.Data()
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		c.stat(".")
		c.has(c.made("other", content), content)
		p := c.Connect(c.T)
		p.Login(c.Target.User, c.Target.Password)
		p.List(".", 0)
		if n, err := io.Copy(io.Discard, client); n != large || err != nil {
			c.T.Errorf("the client gets %d bytes of %d, %v", n, large, err)
		}
		c.moved(c.Event(wasi.EventTransfer, file), large)
	}},

	{"transfer_start", "result", "transfers of many sessions go on at a time", func(c *Trial) {
		c.enter()
		want := string(pattern(1 << 20))
		name := c.made("file", want)
		type one struct {
			p      *Puppet
			file   uint64
			client *net.TCPConn
		}
		var all []one
		for range 6 {
			p := c.Connect(c.T)
			p.Login(c.Target.User, c.Target.Password)
			file := p.Open(name, 0, 0)
			conn, client := p.Data()
			p.Must(wasi.TransferStart, file, conn, 0, 0)
			all = append(all, one{p, file, client})
		}
		for _, o := range all {
			c.ended(o.client, want)
			c.moved(o.p.Event(wasi.EventTransfer, o.file), len(want))
		}
	}},

	{"transfer_progress", "result", "how many bytes have crossed so far, and in the end all", func(c *Trial) {
		c.enter()
		file := c.Open(c.made("large", string(pattern(large))), 0, 0)
		conn, client := c.Data()
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		io.ReadFull(client, make([]byte, large/2))
		first := c.progress(file)
		if first > large {
			c.T.Errorf("%d bytes of %d", first, large)
		}
		io.Copy(io.Discard, client)
		c.finish(c.Event(wasi.EventTransfer, file))
		if last := c.progress(file); last != large || last < first {
			c.T.Errorf("in the end %d bytes of %d, after %d", last, large, first)
		}
	}},
	{"transfer_progress", "result", "grows while an upload goes on", func(c *Trial) {
		c.enter()
		file := c.Open(c.name("file"), wasi.OpenWrite|wasi.OpenTruncate, 0)
		conn, client := c.Data()
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		const half = 4 << 20
		client.Write(make([]byte, half)) // most of it has been taken when this returns
		for before := uint64(0); before == 0; {
			before = c.progress(file)
		}
		client.Write(make([]byte, half))
		client.Close()
		c.moved(c.Event(wasi.EventTransfer, file), 2*half)
	}},
	{"transfer_progress", "EINVAL", "EINVAL before there is a transfer", func(c *Trial) {
		c.enter()
		c.refused(wasi.EINVAL, wasi.TransferProgress, c.Open(c.made("file", content), 0, 0), c.At(ResultAt))
	}},

	{"transfer_hash", "result EventTransfer", "hashes a file, from its offset on, by each algorithm", hashesAll},
	{"transfer_hash", "EINVAL", "EINVAL for an unknown algorithm or a negative length", func(c *Trial) {
		c.enter()
		file := c.Open(c.made("file", content), 0, 0)
		c.refused(wasi.EINVAL, wasi.TransferHash, c.hashing(file, 99, 0)...)
		c.refused(wasi.EINVAL, wasi.TransferHash, c.hashing(file, wasi.HashSHA256, 1<<63)...)
	}},
	{"transfer_hash", "handles", "EBADF for an upload", func(c *Trial) {
		c.enter()
		file := c.Open(c.name("new"), wasi.OpenWrite|wasi.OpenTruncate, 0)
		c.refused(wasi.EBADF, wasi.TransferHash, c.hashing(file, wasi.HashSHA256, 0)...)
	}},
	{"transfer_hash", "result", "gives the hash again as often as it is asked for", func(c *Trial) {
		c.enter()
		file := c.Open(c.made("file", content), 0, 0)
		c.hashes(file, wasi.HashSHA256, 0, len(content))
		want := sha256.Sum256([]byte(content))
		for range 2 {
			if got := c.digest(file, wasi.HashSHA256, 0); !bytes.Equal(got, want[:]) {
				c.T.Errorf("%x, not %x", got, want)
			}
		}
	}},
	{"transfer_hash", "EAGAIN", "EAGAIN while the hash is being made, unless it is made at once", func(c *Trial) {
		c.enter()
		file := c.Open(c.made("large", string(pattern(large))), 0, 0)
		call := "call " + Numbers(wasi.TransferHash, c.hashing(file, wasi.HashSHA256, 0)...)
		c.Send("%s\n%s", call, call)
		c.begun(c.Errno(c.Reply()))
		if errno := c.Errno(c.Reply()); errno != wasi.EAGAIN && errno != wasi.OK {
			c.T.Errorf("%v, not EAGAIN", errno)
		}
		c.moved(c.Event(wasi.EventTransfer, file), large)
		want := sha256.Sum256(pattern(large))
		if got := c.digest(file, wasi.HashSHA256, 0); !bytes.Equal(got, want[:]) {
			c.T.Errorf("%x, not %x", got, want)
		}
	}},
	{"transfer_hash", "EINVAL", "EINVAL when digest is too small, and for other arguments than at first", func(c *Trial) {
		c.enter()
		file := c.Open(c.made("file", content), 0, 0)
		c.hashes(file, wasi.HashSHA256, 0, len(content))
		for _, size := range []uint64{0, 1, 31} {
			c.refused(wasi.EINVAL, wasi.TransferHash, file, wasi.HashSHA256, 0, c.At(BufferAt), size, c.At(ResultAt))
		}
		c.refused(wasi.EINVAL, wasi.TransferHash, c.hashing(file, wasi.HashSHA1, 0)...)
		c.refused(wasi.EINVAL, wasi.TransferHash, c.hashing(file, wasi.HashSHA256, 5)...)
	}},
}

// moved checks that a transfer ended well after so many bytes.
func (c *Trial) moved(e wasi.Event, bytes int) {
	c.T.Helper()
	c.finish(e)
	if e.Value != uint64(bytes) {
		c.T.Errorf("EventTransfer says %d bytes, not %d", e.Value, bytes)
	}
}

func (c *Trial) progress(file uint64) uint64 {
	c.T.Helper()
	if errno := c.Raw(wasi.TransferProgress, file, c.At(ResultAt)); errno != wasi.OK {
		c.T.Fatalf("transfer_progress: %v, not OK", errno)
	}
	return binary.LittleEndian.Uint64(c.Peek(ResultAt, 8))
}

// hashing are the arguments of transfer_hash.
func (c *Trial) hashing(file, algorithm, length uint64) []uint64 {
	return []uint64{file, algorithm, length, c.At(BufferAt), outSize, c.At(ResultAt)}
}

// begun checks that a hash is being made.
func (c *Trial) begun(errno wasi.Errno) {
	c.T.Helper()
	if errno != wasi.EAGAIN {
		c.succeed(wasi.TransferHash, errno)
		c.T.Errorf("transfer_hash: OK at once, not EAGAIN")
	}
}

// hashes hashes so many bytes.
func (c *Trial) hashes(file, algorithm, length uint64, bytes int) {
	c.T.Helper()
	c.begun(c.Raw(wasi.TransferHash, c.hashing(file, algorithm, length)...))
	c.moved(c.Event(wasi.EventTransfer, file), bytes)
}

func (c *Trial) digest(file, algorithm, length uint64) []byte {
	c.T.Helper()
	c.succeed(wasi.TransferHash, c.Raw(wasi.TransferHash, c.hashing(file, algorithm, length)...))
	return c.Peek(BufferAt, min(c.Number(ResultAt), outSize))
}

func hashesAll(c *Trial) {
	c.enter()
	text := strings.Repeat(content, 10000)
	name := c.made("file", text)
	for algorithm, h := range []hash.Hash{sha256.New(), sha512.New(), sha1.New(), md5.New(), crc32.NewIEEE()} {
		for _, part := range []struct{ offset, length uint64 }{{0, 0}, {3, 0}, {3, 100000}} {
			file := c.Open(name, 0, part.offset)
			want := text[part.offset:]
			if part.length > 0 {
				want = want[:part.length]
			}
			c.hashes(file, uint64(algorithm), part.length, len(want))
			h.Reset()
			io.WriteString(h, want)
			if got := c.digest(file, uint64(algorithm), part.length); !bytes.Equal(got, h.Sum(nil)) {
				c.T.Errorf("algorithm %d from %d on is %x, not %x", algorithm, part.offset, got, h.Sum(nil))
			}
			c.Must(wasi.HandleClose, file)
		}
	}
}
