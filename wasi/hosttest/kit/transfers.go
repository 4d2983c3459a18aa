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
		"sends a file, hangs up, and EventTransfer says OK and how many bytes", loggedIn(func(c *Trial) {
			for name, content := range map[string]string{"empty": "", "small": content, "large": string(pattern(3<<20 + 7))} {
				name = c.made(name, content)
				got, e := c.download(c.Open(name, 0, 0), 0, 0)
				c.moved(e, len(content))
				c.once(wasi.EventTransfer)
				if got != content {
					c.T.Errorf("of a file of %d bytes, %d come, or other bytes", len(content), len(got))
				}
			}
		})},
	{"transfer_start", "result", "begins where file_open said, and ends after length bytes", loggedIn(func(c *Trial) {
		name := c.made("file", "0123456789")
		for _, part := range []struct {
			offset, length uint64
			want           string
		}{{3, 0, "3456789"}, {3, 4, "3456"}, {0, 4, "0123"}, {8, 100, "89"}, {10, 0, ""}, {1, 1<<32 + 2, "123456789"}} {
			got, e := c.download(c.Open(name, 0, part.offset), 0, part.length)
			c.moved(e, len(part.want))
			if got != part.want {
				c.T.Errorf("from %d on, with length %d, comes %q, not %q", part.offset, part.length, got, part.want)
			}
		}
	})},
	{"transfer_start", "result",
		"flag 1 sends each LF as CRLF, and the CR that is there as it is; length counts the file's bytes", loggedIn(func(c *Trial) {
			text := "one\ntwo\r\n\nthree\r"
			name := c.made("text", text)
			got, e := c.download(c.Open(name, 0, 0), wasi.TransferASCII, 0)
			if want := []string{"one\r\ntwo\r\r\n\r\nthree\r", "one\r\ntwo\r\n\r\nthree\r"}; got != want[0] && got != want[1] {
				c.T.Errorf("%q is sent as %q, not as %q or %q", text, got, want[0], want[1])
			}
			c.moved(e, len(got))
			if got, _ := c.download(c.Open(name, 0, 0), wasi.TransferASCII, 4); got != "one\r\n" {
				c.T.Errorf("the first 4 bytes of %q are sent as %q", text, got)
			}
		})},
	{"transfer_start", "result", "flag 1 stores each CRLF as LF, wherever the connection cuts it", loggedIn(func(c *Trial) {
		name := c.name("text")
		file := c.create(name)
		conn, client := c.Data()
		client.SetNoDelay(true)
		c.Must(wasi.TransferStart, file, conn, wasi.TransferASCII, 0)
		for _, part := range []string{"one\r", "\ntwo\n\r", "\r\n", "\rthree"} {
			io.WriteString(client, part)
			c.life()
		}
		client.Close()
		c.moved(c.Event(wasi.EventTransfer, file), len("one\r\ntwo\n\r\r\n\rthree"))
		c.Must(wasi.FileCommit, file)
		c.has(name, "one\ntwo\n\r\n\rthree")
	})},
	{"transfer_start", "result EventTransfer",
		"receives a file until the client's end, and EventTransfer says OK and how many bytes", loggedIn(func(c *Trial) {
			for name, content := range map[string]string{"empty": "", "large": string(pattern(3<<20 + 7))} {
				name = c.name(name)
				file := c.create(name)
				c.moved(c.upload(file, content, 0, 0), len(content))
				c.Must(wasi.FileCommit, file)
				if got := c.content(name); got != content {
					c.T.Errorf("of %d bytes sent, %d are in the file, or other bytes", len(content), len(got))
				}
			}
		})},
	{"transfer_start", "EINVAL", "EINVAL is how an upload of more than length ends, and no more is stored", loggedIn(func(c *Trial) {
		name := c.made("file", "0123456789")
		file := c.Open(name, wasi.OpenWrite, 2)
		if e := c.upload(file, "abcd", 0, 3); e.Errno != wasi.EINVAL {
			c.T.Errorf("after an upload of 4 bytes with length 3, EventTransfer says %v, not EINVAL", e.Errno)
		}
		c.Must(wasi.HandleClose, file)
		c.uploads(c.made("exact", "0123456789"), wasi.OpenWrite, 2, "abc", "01abc56789")
		got := c.content(name)
		if len(got) != 10 || got[5:] != "56789" {
			c.T.Errorf("after an upload of 4 bytes with length 3 at 2 the file is %q", got)
		}
	})},
	{"transfer_start", "EventTransfer", "an upload whose client resets ends with an errno", loggedIn(func(c *Trial) {
		if e := c.resetUpload(c.create(c.name("file")), content); e.Errno == wasi.OK {
			c.T.Errorf("EventTransfer says OK")
		}
	})},
	{"transfer_start", "EventTransfer", "a download whose client hangs up ends with an errno", loggedIn(func(c *Trial) {
		file := c.Open(c.made("large", string(pattern(large))), 0, 0)
		client := c.transfer(file, 0, 0)
		io.ReadFull(client, make([]byte, 1000))
		client.SetLinger(0)
		client.Close()
		if e := c.Event(wasi.EventTransfer, file); e.Errno == wasi.OK {
			c.T.Errorf("EventTransfer says OK, after %d bytes of %d", e.Value, large)
		}
	})},
	{"transfer_start", "result", "a download that the engine gives up is reset: it must not look complete", loggedIn(func(c *Trial) {
		file := c.Open(c.made("large", string(pattern(large))), 0, 0)
		client := c.transfer(file, 0, 0)
		io.ReadFull(client, make([]byte, 1000))
		c.Must(wasi.HandleClose, file)
		if n, err := io.Copy(io.Discard, client); err == nil {
			c.T.Errorf("after %d bytes of %d the client sees an end in order, not a reset", n+1000, large)
		} else if timedOut(err) {
			c.T.Errorf("the connection stays open")
		}
	})},
	{"transfer_start", "result", "an upload that the engine gives up hangs up, and its name can be used", loggedIn(func(c *Trial) {
		name := c.name("file")
		file := c.create(name)
		client := c.transfer(file, 0, 0)
		io.WriteString(client, content)
		c.Must(wasi.HandleClose, file)
		c.turnedAway(client, "the client")
		c.put(name, "other")
		c.has(name, "other")
	})},
	{"transfer_start", "handles", "takes the data connection over: its handle is EBADF from then on", loggedIn(func(c *Trial) {
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
	})},
	{"transfer_start", "handles", "a file of one session never goes to another's client: EBADF", loggedIn(func(c *Trial) {
		other := c.second()
		other.Login(c.Target.User, c.Target.Password)
		file := c.Open(c.made("file", content), 0, 0)
		conn, client := other.Data()
		c.refused(wasi.EBADF, wasi.TransferStart, file, conn, 0, 0)
		other.Must(wasi.HandleClose, conn)
		c.ended(client, "")
	})},
	{"transfer_start", "EINVAL", "EINVAL for an unknown flag or a negative length, and nothing has begun", loggedIn(func(c *Trial) {
		file := c.Open(c.made("file", content), 0, 0)
		conn, client := c.Data()
		c.refused(wasi.EINVAL, wasi.TransferStart, file, conn, 2, 0)
		c.refused(wasi.EINVAL, wasi.TransferStart, file, conn, 0, 1<<63)
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		c.ended(client, content)
	})},
	{"transfer_start", "result", "what was written to the connection before goes first", loggedIn(func(c *Trial) {
		file := c.Open(c.made("file", content), 0, 0)
		conn, client := c.Data()
		c.write(conn, "before ")
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		c.ended(client, "before "+content)
	})},
	{"transfer_start", "result", "goes over a connection that was dialled, too", loggedIn(func(c *Trial) {
		file := c.Open(c.made("file", content), 0, 0)
		conn, client := c.dialled()
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		c.ended(client, content)
	})},
	{"transfer_start", "result",
		"a transfer that stands still keeps nobody waiting: the session and others go on", loggedIn(func(c *Trial) {
			file := c.Open(c.made("large", string(pattern(large))), 0, 0)
			client := c.transfer(file, 0, 0)
			c.stat(".", 0)
			c.has(c.made("other", content), content)
			p := c.Connect(c.T)
			p.Login(c.Target.User, c.Target.Password)
			p.List(".", 0)
			if n, err := io.Copy(io.Discard, client); n != large || err != nil {
				c.T.Errorf("the client gets %d bytes of %d, %v", n, large, err)
			}
			c.moved(c.Event(wasi.EventTransfer, file), large)
		})},

	{"transfer_start", "result", "transfers of many sessions go on at a time", loggedIn(func(c *Trial) {
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
			client := p.transfer(file, 0, 0)
			all = append(all, one{p, file, client})
		}
		for _, o := range all {
			c.ended(o.client, want)
			c.moved(o.p.Event(wasi.EventTransfer, o.file), len(want))
		}
	})},

	{"transfer_progress", "result", "how many bytes have crossed so far, and in the end all", loggedIn(func(c *Trial) {
		file := c.Open(c.made("large", string(pattern(large))), 0, 0)
		client := c.transfer(file, 0, 0)
		io.ReadFull(client, make([]byte, large/2))
		first := c.progress(file)
		if first > large {
			c.T.Errorf("transfer_progress says %d bytes of a file of %d", first, large)
		}
		io.Copy(io.Discard, client)
		c.finish(c.Event(wasi.EventTransfer, file))
		if last := c.progress(file); last != large || last < first {
			c.T.Errorf("transfer_progress says %d bytes of %d in the end, and %d before", last, large, first)
		}
	})},
	{"transfer_progress", "result", "grows while an upload goes on", loggedIn(func(c *Trial) {
		file := c.create(c.name("file"))
		client := c.transfer(file, 0, 0)
		const half = 4 << 20
		client.Write(make([]byte, half)) // the host has read most of it when Write returns
		for before := uint64(0); before == 0; {
			before = c.progress(file)
		}
		client.Write(make([]byte, half))
		client.Close()
		c.moved(c.Event(wasi.EventTransfer, file), 2*half)
	})},
	{"transfer_progress", "EINVAL", "EINVAL before there is a transfer", loggedIn(func(c *Trial) {
		c.refused(wasi.EINVAL, wasi.TransferProgress, c.Open(c.made("file", content), 0, 0), c.At(ResultAt))
	})},

	{"transfer_hash", "result EventTransfer", "hashes a file, from its offset on, by each algorithm", hashesAll},
	{"transfer_hash", "EINVAL", "EINVAL for an unknown algorithm or a negative length", loggedIn(func(c *Trial) {
		file := c.Open(c.made("file", content), 0, 0)
		c.refused(wasi.EINVAL, wasi.TransferHash, c.hashing(file, 99, 0)...)
		c.refused(wasi.EINVAL, wasi.TransferHash, c.hashing(file, wasi.HashSHA256, 1<<63)...)
	})},
	{"transfer_hash", "handles", "EBADF for an upload", loggedIn(func(c *Trial) {
		file := c.create(c.name("new"))
		c.refused(wasi.EBADF, wasi.TransferHash, c.hashing(file, wasi.HashSHA256, 0)...)
	})},
	{"transfer_hash", "result", "gives the hash again as often as it is asked for", loggedIn(func(c *Trial) {
		file := c.Open(c.made("file", content), 0, 0)
		c.hashes(file, wasi.HashSHA256, 0, len(content))
		for range 2 {
			c.hashed(sha256.New(), file, wasi.HashSHA256, 0, content)
		}
	})},
	{"transfer_hash", "EAGAIN", "EAGAIN while the hash is being made, unless it is made at once", loggedIn(func(c *Trial) {
		file := c.Open(c.made("large", string(pattern(large))), 0, 0)
		call := "call " + Numbers(wasi.TransferHash, c.hashing(file, wasi.HashSHA256, 0)...)
		c.Send("%s\n%s", call, call)
		c.begun(c.Errno(c.Reply()))
		if errno := c.Errno(c.Reply()); errno != wasi.EAGAIN && errno != wasi.OK {
			c.T.Errorf("the second call is %v, not EAGAIN or OK", errno)
		}
		c.moved(c.Event(wasi.EventTransfer, file), large)
		c.hashed(sha256.New(), file, wasi.HashSHA256, 0, string(pattern(large)))
	})},
	{"transfer_hash", "EINVAL", "EINVAL when digest is too small, and for other arguments than at first", loggedIn(func(c *Trial) {
		file := c.Open(c.made("file", content), 0, 0)
		c.hashes(file, wasi.HashSHA256, 0, len(content))
		for _, size := range []uint64{0, 1, 31} {
			c.refused(wasi.EINVAL, wasi.TransferHash, file, wasi.HashSHA256, 0, c.At(BufferAt), size, c.At(ResultAt))
		}
		c.refused(wasi.EINVAL, wasi.TransferHash, c.hashing(file, wasi.HashSHA1, 0)...)
		c.refused(wasi.EINVAL, wasi.TransferHash, c.hashing(file, wasi.HashSHA256, 5)...)
	})},
}

// moved checks that a transfer of so many bytes has ended well.
func (c *Trial) moved(e wasi.Event, bytes int) {
	c.T.Helper()
	c.finish(e)
	if e.Value != uint64(bytes) {
		c.T.Errorf("EventTransfer says %d bytes, not %d", e.Value, bytes)
	}
}

// progress is the result of transfer_progress.
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

// begun checks the errno of the first transfer_hash: EAGAIN, as the hash takes until
// EventTransfer.
func (c *Trial) begun(errno wasi.Errno) {
	c.T.Helper()
	if errno != wasi.EAGAIN {
		c.succeed(wasi.TransferHash, errno)
		c.T.Errorf("transfer_hash: OK at once, not EAGAIN")
	}
}

// hashes begins a hash of so many bytes, and waits for its end.
func (c *Trial) hashes(file, algorithm, length uint64, bytes int) {
	c.T.Helper()
	c.begun(c.Raw(wasi.TransferHash, c.hashing(file, algorithm, length)...))
	c.moved(c.Event(wasi.EventTransfer, file), bytes)
}

// hashed checks that a hash that has ended is that of text by h, an empty hash.
func (c *Trial) hashed(h hash.Hash, file, algorithm, length uint64, text string) {
	c.T.Helper()
	io.WriteString(h, text)
	n := c.Must(wasi.TransferHash, c.hashing(file, algorithm, length)...)
	if got := c.Peek(BufferAt, min(n, outSize)); !bytes.Equal(got, h.Sum(nil)) {
		c.T.Errorf("the hash of %d bytes by algorithm %d is %x, not %x", len(text), algorithm, got, h.Sum(nil))
	}
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
			c.hashed(h, file, uint64(algorithm), part.length, want)
			c.Must(wasi.HandleClose, file)
		}
	}
}
