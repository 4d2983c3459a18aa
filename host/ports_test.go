package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"wasiftp/host/internal/conn"
	"wasiftp/wasi"
)

// visitor is a session of a client at an address of the server, local.
func visitor(sh *shard, client, local string) *session {
	p := sh.seat()
	return &session{
		shard: sh, server: sh.server, config: sh.server.current(), seat: p, stream: conn.New(nil, nil, &link{shard: sh, seat: p}),
		client: netip.AddrPortFrom(netip.MustParseAddr(client), 50_000), local: netip.AddrPortFrom(netip.MustParseAddr(local), 21),
	}
}

// takeAll takes all ports that a session's client can have.
func (p *ports) takeAll(s *session) (taken []uint16) {
	for {
		port, ok := p.take(s)
		if !ok {
			return taken
		}
		taken = append(taken, port)
	}
}

// TestThreat37Ports: each port is given out once, no client address gets too many, and a
// port that is given back is free again. Each address of the server has its own range.
func TestThreat37Ports(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		client, neighbour, stranger, local string
	}{
		{"192.0.2.1", "192.0.2.1", "192.0.2.2", "198.51.100.1"},
		{"2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "2001:db8:1::1"},
	} {
		sh := newStill(t, Config{Passive: Passive{FirstPort: 65436, LastPort: 65535}})
		p := &sh.server.ports
		a, b, other := visitor(sh, c.client, c.local), visitor(sh, c.neighbour, c.local), visitor(sh, c.stranger, c.local)
		taken := p.takeAll(a)
		if len(taken) != 87 {
			t.Errorf("%s gets %d ports of 100", c.client, len(taken))
		}
		if more := p.takeAll(b); more != nil {
			t.Errorf("%s gets %d more", c.neighbour, len(more))
		}
		strangers := p.takeAll(other)
		if len(strangers) == 0 {
			t.Errorf("%s gets no port", c.stranger)
		}
		all := slices.Sorted(slices.Values(append(slices.Clone(taken), strangers...)))
		if len(slices.Compact(all)) != len(taken)+len(strangers) || all[0] < 65436 {
			t.Errorf("not each once, or of another range: %v", all)
		}
		if elsewhere := p.takeAll(visitor(sh, c.client, "127.0.0.9")); len(elsewhere) != len(taken) {
			t.Errorf("at another address of ours %s gets %d", c.client, len(elsewhere))
		}
		for _, port := range taken {
			p.giveBack(a, port)
		}
		if again := p.takeAll(b); len(again)+len(strangers) != 87 {
			t.Errorf("of the ports given back %s gets %d", c.neighbour, len(again))
		}
	}
}

// TestThreat37PortsInAnyOrder: two servers give out their ports in different orders, neither
// of which is ascending.
func TestThreat37PortsInAnyOrder(t *testing.T) {
	t.Parallel()
	var orders [2][]uint16
	for i := range orders {
		sh := newStill(t, Config{Passive: Passive{FirstPort: 50_000, LastPort: 50_099}})
		orders[i] = sh.server.ports.takeAll(visitor(sh, "192.0.2.1", "198.51.100.1"))
	}
	if slices.Equal(orders[0], orders[1]) || slices.IsSorted(orders[0]) {
		t.Errorf("%v", orders)
	}
}

// TestThreat37RangesOfManyAddresses: the number of ranges kept for addresses without a
// session is bounded.
func TestThreat37RangesOfManyAddresses(t *testing.T) {
	t.Parallel()
	sh := newStill(t, Config{Passive: Passive{FirstPort: 50_000, LastPort: 50_009}})
	p := &sh.server.ports
	for i := range 1000 {
		s := visitor(sh, "192.0.2.1", fmt.Sprintf("10.0.%d.%d", i/256, i%256))
		port, ok := p.take(s)
		if !ok {
			t.Fatal("no port is free")
		}
		p.giveBack(s, port)
	}
	if len(p.at) > maxPortRanges {
		t.Errorf("%d are kept", len(p.at))
	}
}

// portsAt opens a range of ports of one size at an address of the test's own.
func portsAt(t *testing.T, sh *shard, size uint16, local string) *session {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(local, "0"))
	if err != nil {
		t.Skipf("%s is not to be had here: %v", local, err)
	}
	l.Close()
	passive := &sh.server.current().Passive
	passive.FirstPort, passive.LastPort = 47_000, 47_000+size-1
	return visitor(sh, "127.0.0.1", local)
}

// TestThreat37PortsOfOthers: a port that another program uses is tried once, and again after
// asideTime.
func TestThreat37PortsOfOthers(t *testing.T) {
	t.Parallel()
	sh := newStill(t, Config{})
	s := portsAt(t, sh, 3, "127.37.0.1")
	p := &sh.server.ports
	others := map[uint16]net.Listener{}
	for port := range uint16(3) {
		l, err := listenAt(s.local.Addr(), 47_000+port)
		if err != nil {
			t.Skipf("port %d is taken: %v", 47_000+port, err)
		}
		defer l.Close()
		others[47_000+port] = l
	}
	if _, err := p.open(context.Background(), s); errnoOf(err) != wasi.EADDRINUSE {
		t.Errorf("all ports are others': %v", err)
	}
	r := p.rangeOf(s)
	if len(r.aside) != 3 || len(r.free) != 0 || r.shares.Taken() != 0 {
		t.Fatalf("%+v", r)
	}
	for _, l := range others {
		l.Close()
	}
	if _, err := p.open(context.Background(), s); !errors.Is(err, errNoPort) {
		t.Errorf("they are tried again at once: %v", err)
	}
	r.aside[0].until, r.aside[1].until = time.Now(), time.Now()
	port, err := p.open(context.Background(), s)
	if err != nil || port.number != conn.Addr(port.socket.Addr()).Port() {
		t.Fatalf("%+v: %v", port, err)
	}
	defer port.end()
	if len(r.aside) != 1 || r.shares.Places-r.shares.Taken() != len(r.free) || len(r.free) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestThreat37AnyPort: without a range the system chooses, and nothing is kept.
func TestThreat37AnyPort(t *testing.T) {
	t.Parallel()
	sh := newStill(t, Config{})
	s := visitor(sh, "127.0.0.1", "127.0.0.1")
	port, err := sh.server.ports.open(context.Background(), s)
	if err != nil || port.number != 0 || len(sh.server.ports.at) != 0 {
		t.Fatalf("%+v: %v", port, err)
	}
	port.end()
}

// TestThreat37NoSuchAddress: a failure to listen that no port is the reason of puts no port
// aside.
func TestThreat37NoSuchAddress(t *testing.T) {
	t.Parallel()
	sh := newStill(t, Config{Passive: Passive{FirstPort: 50_000, LastPort: 50_009}})
	s := visitor(sh, "192.0.2.1", "192.0.2.77") // not ours
	if _, err := sh.server.ports.open(context.Background(), s); err == nil {
		t.Fatal("there is no error")
	}
	if r := sh.server.ports.rangeOf(s); len(r.free) != 10 || r.shares.Taken() != 0 {
		t.Errorf("%+v", r)
	}
}

// quiet is a listener to which nobody connects.
type quiet struct {
	net.Listener
	closed chan struct{}
}

func (l quiet) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

func (l quiet) Addr() net.Addr { return &net.TCPAddr{Port: 50_000} }

func (l quiet) Close() error {
	close(l.closed)
	return nil
}

// turnUntil does the shard's work each second until done is closed, and returns the events.
func (sh *shard) turnUntil(done chan struct{}) (events []wasi.Event) {
	for {
		time.Sleep(time.Second)
		synctest.Wait()
		events = append(events, sh.turn()...)
		select {
		case <-done:
			return events
		default:
		}
	}
}

// TestThreat37UnusedListener: a port to which nobody connects is closed after DataTime,
// which begins anew when the guest first asks for the connection.
func TestThreat37UnusedListener(t *testing.T) {
	t.Parallel()
	for wanted, want := range map[bool]time.Duration{false: 30 * time.Second, true: 50 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			sh := newStill(t, Config{Passive: Passive{FirstPort: 50_000, LastPort: 50_000}})
			sh.server.ending, sh.server.end = context.WithCancel(t.Context())
			s := visitor(sh, "127.0.0.1", "127.0.0.1")
			port, _ := sh.server.ports.take(s)
			socket := quiet{closed: make(chan struct{})}
			began := time.Now()
			l := (&passivePort{session: s, socket: socket, number: port}).listener()
			if errno := l.open(); errno != wasi.OK {
				t.Fatal(errno)
			}
			if wanted {
				time.Sleep(20 * time.Second)
				l.take()
				time.Sleep(time.Second)
				if _, errno := l.take(); errno != wasi.EAGAIN { // only the first time counts
					t.Error(errno)
				}
			}
			events := sh.turnUntil(socket.closed)
			if waited := time.Since(began); waited != want {
				t.Errorf("it waits for %v, not %v", waited, want)
			}
			if len(events) != 1 || events[0].Kind != wasi.EventReadable || events[0].Handle != l.handle {
				t.Errorf("%+v", events)
			}
			if _, errno := l.take(); errno != wasi.ETIMEDOUT {
				t.Errorf("the guest is told %v", errno)
			}
			if _, ok := sh.server.ports.take(s); !ok {
				t.Error("the port is not given back")
			}
			l.end()
		})
	}
}

// shaky is a listener whose accept fails for a while, as for want of descriptors.
type shaky struct {
	net.Listener
	mu    sync.Mutex
	fails []error
}

func (l *shaky) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.fails) > 0 {
		err := l.fails[0]
		l.fails = l.fails[1:]
		return nil, &net.OpError{Op: "accept", Err: err}
	}
	return l.Listener.Accept()
}

// TestThreat41PassiveAcceptGoesOn: a data connection comes in although accept failed
// before.
func TestThreat41PassiveAcceptGoesOn(t *testing.T) {
	t.Parallel()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sh := newStill(t, Config{})
	sh.server.ending, sh.server.end = context.WithCancel(context.Background())
	s := visitor(sh, "127.0.0.1", "127.0.0.1")
	fails := []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ECONNABORTED}
	l := (&passivePort{session: s, socket: &shaky{Listener: socket, fails: fails}}).listener()
	if errno := l.open(); errno != wasi.OK {
		t.Fatal(errno)
	}
	conn, err := net.Dial("tcp", socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		got, errno := l.take()
		if errno == wasi.OK {
			got.Close()
			break
		}
		if errno != wasi.EAGAIN || time.Now().After(deadline) {
			t.Fatal(errno)
		}
	}
	l.end()
	s.kept.shutPort()
	sh.server.work.Wait()
}

// odd is a listener of an embedder's whose Accept does something odd once it is closed.
type odd struct {
	quiet
	then  func() (net.Conn, error)
	calls chan struct{}
}

func (o odd) Accept() (net.Conn, error) {
	<-o.closed
	o.calls <- struct{}{}
	return o.then()
}

// Nobody calls Accept of an embedder's listener again and again when it is closed.
func TestOwnPortEnds(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func() (net.Conn, error){
		"nothing": func() (net.Conn, error) { return nil, nil },
		"error":   func() (net.Conn, error) { return nil, syscall.EMFILE },
		"panic":   func() (net.Conn, error) { panic("closed") },
	} {
		sh := newStill(t, Config{})
		sh.server.ending, sh.server.end = context.WithCancel(t.Context())
		l := odd{quiet{closed: make(chan struct{})}, then, make(chan struct{}, 100)}
		port := &ownPort{Listener: l, server: sh.server, address: &net.TCPAddr{Port: 1}}
		ended := make(chan struct{})
		go func() {
			sh.server.acceptAll(port, func(*conn.Arrival) bool { return true })
			close(ended)
		}()
		port.Close()
		<-ended
		if n := len(l.calls); n > 1 {
			t.Errorf("%s: Accept was called %d times", name, n)
		}
	}
}
