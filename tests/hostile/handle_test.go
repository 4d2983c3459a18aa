package hostile

import (
	"io"
	"math"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"wasiftp/host"
	"wasiftp/tests/script"
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// A file of one session never goes to the data connection of another, though
// both are handles of the same instance.
func TestThreat31TransferBetweenSessions(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	s.put("secret", "of the first")
	a, b := s.puppet(), s.puppet()
	a.login()
	b.login()
	file := a.Open("secret", 0, 0)
	own, client := a.Data()
	foreign, stranger := b.Data()
	for _, caller := range []*puppet{a, b} {
		if errno := caller.Raw(wasi.TransferStart, file, foreign, 0, 0); errno != wasi.EBADF {
			t.Errorf("transfer_start to another session's client: %v, not EBADF", errno)
		}
	}
	a.Must(wasi.TransferStart, file, own, 0, 0)
	if got, err := io.ReadAll(client); string(got) != "of the first" || err != nil {
		t.Errorf("the rightful client got %q, %v", got, err)
	}
	b.Must(wasi.HandleClose, foreign)
	if got, err := io.ReadAll(stranger); len(got) > 0 || err != nil {
		t.Errorf("the stranger got %q, %v", got, err)
	}
}

// A handle names nothing in any other instance.
func TestThreat31HandlesOfAnotherInstance(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, alone)
	c := s.cast()
	b := s.puppet()
	b.login()
	everyParam(func(n int, i wasi.Import, param int) {
		args, at := c.args(i)
		handle := args[at[param]]
		if handle == b.Session {
			return // the same number, and its own
		}
		if errno := b.Raw(n, args...); errno != wasi.EBADF {
			t.Errorf("%s with another instance's %s: %v, not EBADF", i.Name, i.Params[param].Name, errno)
		}
	}, wasi.Handle)
	c.lives()
	b.lives()
}

// mostOwned is how many handles a session has at most, besides the session's own.
const mostOwned = 16

func TestThreat31HoardingHandles(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	s.put("file", "content")
	closed := closedPort(t)
	const directories = -1
	for _, n := range []int{wasi.NetListen, wasi.NetDial, wasi.FileOpen, wasi.FileCopy, directories} {
		p := s.puppet()
		p.login()
		take := func() wasi.Errno {
			switch n {
			case wasi.NetListen:
				return p.Call(n, p.Session, 0, p.At(kit.ResultAt), p.At(kit.Result2At))
			case wasi.NetDial:
				return p.Dial(closed)
			case wasi.FileOpen:
				return p.Named(n, "file", 0, 0, p.At(kit.ResultAt), p.At(kit.Result2At))
			case wasi.FileCopy:
				return p.copies("file", "copy")
			}
			return p.Named(wasi.FileOpen, ".", wasi.OpenDir, 0, p.At(kit.ResultAt), p.At(kit.Result2At))
		}
		for range mostOwned {
			if errno := take(); errno != wasi.OK {
				t.Fatalf("%s: %v", wasi.Table[n].Name, errno)
			}
		}
		last := p.Number(kit.ResultAt)
		for range 3 {
			if errno := take(); errno != wasi.EMFILE {
				t.Errorf("%s of one too many: %v, not EMFILE", wasi.Table[n].Name, errno)
			}
		}
		witness := s.puppet()
		witness.Listen()
		p.Must(wasi.HandleClose, last)
		if errno := take(); errno != wasi.OK {
			t.Errorf("%s after another was closed: %v", wasi.Table[n].Name, errno)
		}
	}
}

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	l := listenOn(t, "127.0.0.1:0")
	l.Close()
	return addressOf(l)
}

func listenOn(t *testing.T, address string) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("this system has no %s: %v", address, err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

func addressOf(l net.Listener) netip.AddrPort { return l.Addr().(*net.TCPAddr).AddrPort() }

// The guest cannot make the host connect anywhere but to the client.
func TestThreat31DialForeign(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	p := s.puppet()
	traps := []*net.TCPListener{listenOn(t, "127.0.0.2:0")}
	if six, err := net.Listen("tcp", "[::1]:0"); err == nil {
		defer six.Close()
		traps = append(traps, six.(*net.TCPListener))
	}
	here := listenOn(t, "127.0.0.1:0")
	port := addressOf(here).Port()
	for _, to := range []netip.AddrPort{
		addressOf(traps[0]), addressOf(traps[len(traps)-1]),
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0),
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 21),
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1023),
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), port),
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{}), port),
		netip.AddrPortFrom(netip.IPv6Unspecified(), port),
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), port),
	} {
		if errno := p.Dial(to); errno != wasi.EACCES {
			t.Errorf("net_dial to %s: %v, not EACCES", to, errno)
		}
	}
	mapped := netip.MustParseAddr("::ffff:127.0.0.1").As16()
	record := slices.Concat([]byte{6, 0, byte(port), byte(port >> 8)}, mapped[:])
	if errno := p.dialRecord(record); errno != wasi.EACCES {
		t.Errorf("net_dial to the client's address in another form: %v, not EACCES", errno)
	}
	for _, family := range []byte{0, 5, 10, 255} {
		record[0] = family
		if errno := p.dialRecord(record); errno != wasi.EINVAL {
			t.Errorf("net_dial in family %d: %v, not EINVAL", family, errno)
		}
	}
	if errno := p.Dial(addressOf(here)); errno != wasi.OK {
		t.Fatalf("net_dial to the client: %v", errno)
	}
	if e := p.Event(wasi.EventWritable, p.Number(kit.ResultAt)); e.Errno != wasi.OK {
		t.Errorf("the connection to the client: %v", e.Errno)
	}
	here.Accept()
	for _, l := range append(traps, here) {
		l.SetDeadline(time.Now().Add(10 * time.Millisecond))
		if conn, err := l.Accept(); err == nil {
			t.Errorf("the host connected to %s, from %s", l.Addr(), conn.RemoteAddr())
			conn.Close()
		}
	}
}

func TestThreat31EventBuffers(t *testing.T) {
	t.Parallel()
	p := newGuestStage(t, nil).puppet()
	for _, size := range []uint64{0, 1, wasi.EventSize - 1, wasi.EventSize, wasi.EventSize + 1, 128 << 10} {
		if n := p.Must(wasi.EventsRead, p.At(kit.BufferAt), size, p.At(kit.ResultAt)); n > size/wasi.EventSize {
			t.Errorf("events_read into %d bytes gave %d events", size, n)
		}
	}
	for _, size := range []uint64{0, 1, 55} {
		if errno := p.Raw(wasi.ConfigRead, p.At(kit.BufferAt), size, p.At(kit.ResultAt)); errno != wasi.EINVAL {
			t.Errorf("config_read into %d bytes: %v, not EINVAL", size, errno)
		}
	}
	p.lives()
}

// A guest can close every session of its own instance, and no other.
func TestThreat31ClosesAnothersSession(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, func(c *host.Config) { c.SessionsPerInstance = 2 })
	a, b, elsewhere := s.puppet(), s.puppet(), s.puppet()
	a.Must(wasi.HandleClose, b.Session)
	if rest, err := b.Rest(); err != nil || len(rest) > 0 {
		t.Errorf("the closed session got %q, %v", rest, err)
	}
	for handle := range uint64(64) {
		if handle != a.Session {
			a.Raw(wasi.HandleClose, handle)
		}
	}
	a.Raw(wasi.HandleClose, math.MaxUint32)
	elsewhere.lives()
	a.lives()
}

// TestThreat37LyingEngineAndARange: of a range of ports a session gets one at a time,
// however often its guest asks.
func TestThreat37LyingEngineAndARange(t *testing.T) {
	t.Parallel()
	const size = 20
	first := uint16(script.FreePorts(t, size))
	s := newGuestStage(t, func(c *host.Config) { c.Passive = host.Passive{FirstPort: first, LastPort: first + size - 1} })
	p := s.puppet()
	listen := func() wasi.Errno {
		return p.Call(wasi.NetListen, p.Session, 0, p.At(kit.ResultAt), p.At(kit.Result2At))
	}
	for range 5 {
		if errno := listen(); errno != wasi.OK {
			t.Fatal(errno)
		}
		handle := p.Number(kit.ResultAt)
		for range 3 {
			if errno := listen(); errno != wasi.EMFILE {
				t.Errorf("a second port: %v, not EMFILE", errno)
			}
		}
		p.Must(wasi.HandleClose, handle)
	}
	s.puppet().Listen()
}
