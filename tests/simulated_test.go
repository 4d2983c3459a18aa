package tests

import (
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"path"
	"testing"
	"time"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
	"wasiftp/tests/script"
	"wasiftp/wasi"
)

// simulated is the engine, native, in a world that exists in memory only.
type simulated struct {
	*ftptest.World
	port uint16 // the last that the client listened at
}

func simulatedPlace(testing.TB) script.World {
	return simulate(ftptest.NewWorld(ftp.Config{Allow: ftp.Allow(allowed)}))
}

// plainPlace is a simulated place whose engine moves the bytes of files itself.
func plainPlace(testing.TB) script.World {
	return simulate(ftptest.NewPlainWorld(ftp.Config{Allow: ftp.Allow(allowed)}))
}

func simulate(world *ftptest.World) script.World {
	w := &simulated{World: world, port: 41000}
	// Less than a large file of the scripts, so that a transfer waits for its client.
	w.Room = 256 << 10
	w.Accounts["anonymous"] = ftptest.Account{Password: "someone@example.org", Rights: wasi.RightRead | wasi.RightList}
	return w
}

func TestConversationsSimulated(t *testing.T) { converse(t, simulatedPlace) }

func TestConversationsEngineMovesBytes(t *testing.T) { converse(t, plainPlace) }

// errQuiet ends a read for which nothing more can come.
var errQuiet = errors.New("the server is silent")

// errNobody is the error of a connection to a port at which nobody listens.
var errNobody = errors.New("connection refused")

func (w *simulated) Has(need string) bool { return need != "links" && need != "deflate" }

func (w *simulated) Open(family int) (script.Conn, error) {
	local := netip.MustParseAddr("127.0.0.1")
	if family == 6 {
		local = netip.IPv6Loopback()
	}
	w.Server, w.Peer = netip.AddrPortFrom(local, 21), netip.AddrPortFrom(local, 40000)
	return &simulatedControl{w: w, client: w.Connect(), remote: w.Server}, nil
}

func (w *simulated) Dial(_ script.Conn, to netip.AddrPort) (script.Conn, error) {
	d := w.DialData(to)
	if d == nil {
		return nil, errNobody
	}
	return &simulatedData{w: w, data: d, remote: to}, nil
}

func (w *simulated) Listen(control script.Conn) (script.Listener, error) {
	w.port++
	return &simulatedListener{w, control.(*simulatedControl).client.Listen(w.port)}, nil
}

// receive reads into p what take returns, and keeps the rest. If take returns nothing,
// the world runs first.
func (w *simulated) receive(p []byte, kept *string, take func() string, closed func() bool) (int, error) {
	if *kept == "" {
		if *kept = take(); *kept == "" {
			w.Run()
			*kept = take()
		}
	}
	if *kept == "" {
		if closed() {
			return 0, io.EOF
		}
		return 0, errQuiet
	}
	n := copy(p, *kept)
	*kept = (*kept)[n:]
	return n, nil
}

type simulatedControl struct {
	w      *simulated
	client *ftptest.Client
	kept   string
	remote netip.AddrPort
}

func (c *simulatedControl) Read(p []byte) (int, error) {
	return c.w.receive(p, &c.kept, c.client.Take, c.client.Closed)
}

func (c *simulatedControl) Write(p []byte) (int, error) {
	c.client.Send(string(p))
	c.w.Run()
	return len(p), nil
}

func (c *simulatedControl) Urgent(p []byte) error {
	_, err := c.Write(p)
	return err
}

func (c *simulatedControl) Close() error {
	c.client.Drop()
	c.w.Run()
	return nil
}

func (c *simulatedControl) Remote() netip.AddrPort { return c.remote }

type simulatedData struct {
	w        *simulated
	data     *ftptest.Data
	kept     string
	received bool
	remote   netip.AddrPort
}

func (d *simulatedData) Read(p []byte) (int, error) {
	d.received = true
	return d.w.receive(p, &d.kept, d.data.Read, d.data.Closed)
}

func (d *simulatedData) Write(p []byte) (int, error) {
	d.data.Write(string(p))
	d.w.Run()
	return len(p), nil
}

func (d *simulatedData) Urgent([]byte) error { return errors.ErrUnsupported }

// Close resets the connection if not all of it was read, as TCP does.
func (d *simulatedData) Close() error {
	if d.received && !d.data.Closed() {
		d.data.Drop()
	} else {
		d.data.Close()
	}
	d.w.Run()
	return nil
}

func (d *simulatedData) Remote() netip.AddrPort { return d.remote }

type simulatedListener struct {
	w *simulated
	l *ftptest.Listener
}

func (l *simulatedListener) Addr() netip.AddrPort { return l.l.Addr }

func (l *simulatedListener) Accept() (script.Conn, error) {
	l.w.Run()
	d := l.l.Accept()
	if d == nil {
		return nil, errQuiet
	}
	return &simulatedData{w: l.w, data: d, remote: l.w.Server}, nil
}

func (l *simulatedListener) Close() error { return nil }

func (w *simulated) WriteFile(name string, content []byte, mtime time.Time) error {
	file := w.Put(name, string(content))
	file.ModTime, file.Created = mtime.UnixNano(), w.Now
	return nil
}

func (w *simulated) Mkdir(name string) error {
	w.Mkfolder(name)
	return nil
}

func (w *simulated) Symlink(string, string) error { return errors.ErrUnsupported }

func (w *simulated) ReadFile(name string) ([]byte, error) {
	w.Run()
	content, ok := w.Content(name)
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(content), nil
}

func (w *simulated) Stat(name string) (fs.FileInfo, error) {
	w.Run()
	f := w.Files[name]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return simulatedInfo{path.Base(name), f}, nil
}

type simulatedInfo struct {
	name string
	*ftptest.File
}

func (i simulatedInfo) Name() string       { return i.name }
func (i simulatedInfo) Size() int64        { return int64(len(i.Data)) }
func (i simulatedInfo) IsDir() bool        { return i.Type == ftp.Dir }
func (i simulatedInfo) Mode() fs.FileMode  { return fs.FileMode(i.File.Mode) }
func (i simulatedInfo) ModTime() time.Time { return time.Unix(0, i.File.ModTime) }
func (i simulatedInfo) Sys() any           { return nil }
