package kit

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"wasiftp/wasi"
)

// cast is a session with one handle of each kind, and with names and an address that its
// calls can use.
type cast struct {
	*Trial
	handles map[string]uint64 // by kind: session, listener, conn, file, dir
	client  *net.TCPConn      // the client's end of the data connection
	port    netip.AddrPort    // a port on which the client listens
	file    string            // a file that exists
	dir     string            // a directory that exists
	fresh   string            // a name that does not exist
}

// content is in the files that the checks make, if its bytes do not matter.
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

// Takes are the kinds of handles that a parameter takes by the promise of the boundary, nil
// for a name that is no handle's. Faultless calls use the first one.
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

// faultless has the arguments of calls that must succeed, by the parameter's name; the
// import's name stands before it where imports differ. An argument is a number, a text or an
// address.
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
	"number":             func(*cast) any { return 0 },
	"text":               func(*cast) any { return "" },
	"target":             func(*cast) any { return "" },
}

// given is the entry of faultless for a parameter.
func given(i wasi.Import, p wasi.Param) func(*cast) any {
	if f := faultless[i.Name+"."+p.Name]; f != nil {
		return f
	}
	return faultless[p.Name]
}

// outSize is the size of the buffers that imports write into.
const outSize = 16 << 10

// args are the arguments of a faultless call of import n. at[i] is the index at which the
// values of parameter i begin.
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

// with is a copy of args with other values from at on.
func with(args []uint64, at int, values ...uint64) []uint64 {
	return slices.Replace(slices.Clone(args), at, at+len(values), values...)
}

// port is the client's listener for an active data connection.
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

// create opens a file for an upload that replaces it, and returns its handle.
func (c *Trial) create(name string) uint64 {
	c.T.Helper()
	return c.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
}

// put uploads a file with a content.
func (c *Trial) put(name, content string) {
	c.T.Helper()
	c.store(c.create(name), content)
}

// store uploads content to an open file, and commits it.
func (c *Trial) store(file uint64, content string) {
	c.T.Helper()
	c.finish(c.upload(file, content, 0, 0))
	c.Must(wasi.FileCommit, file)
}

// upload sends content to an open file, and waits for the end.
func (c *Trial) upload(file uint64, content string, flags, length uint64) wasi.Event {
	c.T.Helper()
	client := c.transfer(file, flags, length)
	client.Write([]byte(content)) // it may fail: a host may close the connection at length bytes
	client.CloseWrite()
	return c.Event(wasi.EventTransfer, file)
}

// resetUpload sends content to an open file and resets the connection. It returns the
// event of the transfer's end.
func (c *Trial) resetUpload(file uint64, content string) wasi.Event {
	c.T.Helper()
	client := c.transfer(file, 0, 0)
	io.WriteString(client, content)
	client.SetLinger(0)
	client.Close()
	return c.Event(wasi.EventTransfer, file)
}

// finish ends the check when a transfer has failed.
func (c *Trial) finish(e wasi.Event) {
	c.T.Helper()
	if e.Errno != wasi.OK {
		c.T.Fatalf("EventTransfer says %v after %d bytes, not OK", e.Errno, e.Value)
	}
}
