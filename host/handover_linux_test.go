package host_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"wasiftp/host"
)

// shared makes another listener of l's socket, as another process does.
func shared(t *testing.T, l net.Listener) net.Listener {
	t.Helper()
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var file *os.File
	raw.Control(func(fd uintptr) {
		if fd, err := syscall.Dup(int(fd)); err == nil {
			file = os.NewFile(uintptr(fd), "socket")
		}
	})
	other, err := host.ListenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return other
}

// While clients come, directly and by a proxy, a server hands the socket over. Each client is
// greeted, sessions go on, and the server ends with the last one.
func TestHandOver(t *testing.T) {
	t.Parallel()
	l, err := host.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, copied := l.Addr().String(), shared(t, l)
	var servers []*host.Server
	for range 2 {
		s, err := host.New(host.Config{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		servers = append(servers, s)
	}
	old, next := servers[0], servers[1]
	served := make(chan error, 1)
	go func() { served <- old.Serve(l) }()

	stays := greeted(t, addr, "127.0.0.1", func() {})
	leaves := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 200 {
		clients.Go(func() {
			from, wait := "127.0.0.1", func() {}
			if i%2 == 0 {
				from = "127.0.0.2"
			}
			if i%4 == 0 { // the header comes when the server accepts no more
				wait = func() { <-leaves }
			}
			if c := greeted(t, addr, from, wait); c != nil {
				c.Close()
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- old.HandOver(ctx) }()
	if err := <-served; !errors.Is(err, host.ErrServerClosed) {
		t.Errorf("Serve returns %v", err)
	}
	close(leaves)
	go next.Serve(copied)
	clients.Wait()
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("HandOver returns %v with a session", err)
	}
	if _, err := stays.Cmd("NOOP"); err != nil {
		t.Error(err)
	}
	if _, _, err := stays.ReadResponse(200); err != nil {
		t.Error(err)
	}
	stays.Close()
	if err := old.HandOver(t.Context()); err != nil {
		t.Errorf("HandOver returns %v without sessions", err)
	}
}

// greeted connects from an address, and waits for the greeting. If the address is the proxy's
// it sends the header when wait returns.
func greeted(t *testing.T, addr, from string, wait func()) *textproto.Conn {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	wait()
	if from == "127.0.0.2" {
		fmt.Fprint(c, "PROXY TCP4 192.0.2.1 192.0.2.2 1234 21\r\n")
	}
	text := textproto.NewConn(c)
	if _, _, err := text.ReadResponse(220); err != nil {
		t.Errorf("from %s: %v", from, err)
	}
	return text
}
