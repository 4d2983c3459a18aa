package kit

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"wasiftp/wasi"
)

// cast is a session that has one of everything that a call can be given.
type cast struct {
	*Trial
	handles map[string]uint64 // by what it is
	client  *net.TCPConn      // the other end of the data connection
	port    netip.AddrPort    // where the client listens
	file    string            // a file that is there
	dir     string            // a folder that is there
	fresh   string            // a name that is not there
}

// content is what the file of a cast has.
const content = "first line\nsecond line\n"

func (c *Trial) cast() *cast {
	c.T.Helper()
	c.enter()
	s := &cast{Trial: c, handles: map[string]uint64{"session": c.Session}, file: c.name("file"), dir: ".", fresh: c.name("fresh")}
	c.put(s.file, content)
	s.handles["conn"], s.client = c.Data()
	s.handles["listener"], _ = c.Listen()
	s.handles["file"] = c.Open(s.file, 0, 0)
	s.handles["dir"] = c.List(".", 0)
	s.port = c.clientPort().address
	return s
}

// Takes says which kinds of handles a parameter takes, by its name: what the
// boundary promises, and not what a host does. The first is the one that a
// faultless call is given; nil is a name that stands for none.
func Takes(i wasi.Import, param string) []string {
	if i.Name == "net_write" || i.Name == "net_tls" {
		return []string{"conn", "session"}
	}
	switch param {
	case "session", "conn", "listener", "file", "dir":
		return []string{param}
	case "handle":
		return []string{"listener", "session", "conn", "file", "dir"}
	}
	return nil
}

// faultless is what a parameter is given in a call with which there is nothing
// wrong, by the parameter's name, with the import's in front where others mean
// something else by it: a number, text, or an address.
var faultless = map[string]func(*cast) any{
	"side":            func(*cast) any { return wasi.Local },
	"family":          func(*cast) any { return 0 },
	"addr":            func(c *cast) any { return c.port },
	"data":            func(*cast) any { return "data" },
	"reply":           func(*cast) any { return "" },
	"level":           func(*cast) any { return 0 },
	"auth_host.name":  func(*cast) any { return "" },
	"user":            func(c *cast) any { return c.Target.User },
	"password":        func(c *cast) any { return c.Target.Password },
	"name":            func(c *cast) any { return c.file },
	"file_space.name": func(c *cast) any { return c.dir },
	"file_make.name":  func(c *cast) any { return c.fresh },
	"from":            func(c *cast) any { return c.file },
	"to":              func(c *cast) any { return c.fresh },
	"flags":           func(*cast) any { return 0 },
	"kind":            func(*cast) any { return wasi.RemoveFile },
	"part":            func(*cast) any { return wasi.TLSServer },
	"attribute":       func(*cast) any { return wasi.SetTime },
	"offset":          func(*cast) any { return 0 },
	"value":           func(*cast) any { return int(time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC).UnixNano()) },
	"length":          func(*cast) any { return 0 },
	"algorithm":       func(*cast) any { return wasi.HashSHA256 },

	"mask":               func(*cast) any { return 0o022 },
	"on":                 func(*cast) any { return 1 },
	"session_names.name": func(*cast) any { return "name" },
	"after":              func(*cast) any { return 0 },
	"target":             func(*cast) any { return "" },
}

// given is the entry of faultless for a parameter.
func given(i wasi.Import, p wasi.Param) func(*cast) any {
	if f := faultless[i.Name+"."+p.Name]; f != nil {
		return f
	}
	return faultless[p.Name]
}

// outSize is the room that calls are given for bytes.
const outSize = 16 << 10

// args are such that the import finds no fault with them. at[n] is where the
// values of parameter n begin.
func (c *cast) args(n int) (args []uint64, at []int) {
	c.T.Helper()
	i := wasi.Table[n]
	in, out := uint64(TextAt), uint64(BufferAt)
	for _, p := range i.Params {
		at = append(at, len(args))
		switch p.Kind {
		case wasi.Handle:
			args = append(args, c.handles[Takes(i, p.Name)[0]])
		case wasi.Out:
			args = append(args, c.At(out), outSize)
			out += outSize
		case wasi.RetUint32, wasi.RetUint64, wasi.RetAddr, wasi.RetStat:
			args = append(args, c.At(out))
			out += 1024
		default:
			switch v := given(i, p)(c).(type) {
			case int:
				args = append(args, uint64(v))
			case string:
				c.Poke(in, []byte(v))
				args = append(args, c.At(in), uint64(len(v)))
			case netip.AddrPort:
				var record [wasi.AddrSize]byte
				wasi.PutAddr(record[:], v)
				c.Poke(in, record[:])
				args = append(args, c.At(in))
			}
			in += 1024
		}
	}
	return args, at
}

// with is args with some of them replaced.
func with(args []uint64, at int, values ...uint64) []uint64 {
	return slices.Replace(slices.Clone(args), at, at+len(values), values...)
}

// port is where a client listens for a data connection.
type port struct {
	*net.TCPListener
	address netip.AddrPort
}

// clientPort listens at the client's own address.
func (c *Trial) clientPort() port {
	c.T.Helper()
	host, _, _ := net.SplitHostPort(c.Conn.LocalAddr().String())
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		c.T.Fatalf("the client cannot listen: %v", err)
	}
	c.T.Cleanup(func() { l.Close() })
	l.(*net.TCPListener).SetDeadline(time.Now().Add(c.patience))
	return port{l.(*net.TCPListener), l.Addr().(*net.TCPAddr).AddrPort()}
}

// put makes a file with a content, as an upload.
func (c *Trial) put(name, content string) {
	c.T.Helper()
	file := c.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
	c.finish(c.upload(file, content, 0, 0))
	c.succeed(wasi.FileCommit, c.Call(wasi.FileCommit, file))
}

// upload sends content to an open file, and waits for the end.
func (c *Trial) upload(file uint64, content string, flags, length uint64) wasi.Event {
	c.T.Helper()
	conn, client := c.Data()
	c.Must(wasi.TransferStart, file, conn, flags, length)
	client.Write([]byte(content)) // a host that has enough may hang up
	client.CloseWrite()
	return c.Event(wasi.EventTransfer, file)
}

// resetUpload makes an upload whose client resets the connection behind some content,
// and returns how it ended.
func (c *Trial) resetUpload(file uint64, content string) wasi.Event {
	c.T.Helper()
	conn, client := c.Data()
	c.Must(wasi.TransferStart, file, conn, 0, 0)
	io.WriteString(client, content)
	client.SetLinger(0)
	client.Close()
	return c.Event(wasi.EventTransfer, file)
}

// finish checks that a transfer ended well.
func (c *Trial) finish(e wasi.Event) {
	c.T.Helper()
	if e.Errno != wasi.OK {
		c.T.Fatalf("EventTransfer says %v after %d bytes, not OK", e.Errno, e.Value)
	}
}
