package main

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPublicAddressOfAClient(t *testing.T) {
	t.Parallel()
	plain := parse(t, "--public-address=203.0.113.7")
	plain.setPublic()
	if p := plain.config.Passive; p.PublicAddress.String() != "203.0.113.7" || p.PublicAddressFor != nil {
		t.Errorf("one address for all is %+v", plain.config.Passive)
	}
	none := parse(t)
	if none.setPublic(); none.config.Passive.PublicAddressFor != nil {
		t.Error("no address has to be chosen")
	}
	o := parse(t, "--public-address=203.0.113.7", "--public-address=10.0.0.0/8=192.0.2.1", "--public-address", "10.1.2.3=192.0.2.2",
		"--public-address=198.51.100.0/24=later.example.org")
	o.setPublic()
	for client, want := range map[string]string{
		"8.8.8.8": "203.0.113.7", "192.168.0.1": "invalid IP", "127.0.0.1": "invalid IP", "169.254.1.1": "invalid IP",
		"10.9.9.9": "192.0.2.1", "10.1.2.3": "192.0.2.2", "198.51.100.9": "invalid IP",
	} {
		if got := o.config.Passive.PublicAddressFor(netip.MustParseAddr(client)).String(); got != want {
			t.Errorf("%s is told %s, not %s", client, got, want)
		}
	}
}

// domain is a name service with one name.
type domain struct {
	mu    sync.Mutex
	found []netip.Addr
	err   error
	asked chan string
}

func (d *domain) set(err error, found ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found, d.err = nil, err
	for _, a := range found {
		d.found = append(d.found, netip.MustParseAddr(a))
	}
}

func (d *domain) lookUp(_ context.Context, name string) ([]netip.Addr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked <- name
	return append([]netip.Addr{}, d.found...), d.err
}

// A name is looked up again, and while it can't be resolved its old address stays.
func TestPublicAddressByName(t *testing.T) {
	t.Parallel()
	names := &domain{asked: make(chan string, 1)}
	again := make(chan time.Time)
	names.set(errors.New("the network is not up"))
	s := program{lookUp: names.lookUp, lookUpAgain: again}.start(t, "--listen", "127.0.0.1:0", "--root", t.TempDir(),
		"--public-address", "127.0.0.0/8=nat.example.org")
	if name := <-names.asked; name != "nat.example.org" {
		t.Errorf("asked for %s", name)
	}
	// A session uses an answer for a minute, so each question is of another.
	announces := func(want string) {
		t.Helper()
		d := s.dial()
		d.login("anonymous", "guest")
		if text := d.do(227, "PASV"); !strings.Contains(text, "("+want+",") {
			t.Errorf("PASV says %q, not %s", text, want)
		}
	}
	next := func(err error, found ...string) {
		names.set(err, found...)
		again <- time.Time{}
		<-names.asked
		again <- time.Time{} // once the answer before has been taken up
		<-names.asked
	}
	announces("127,0,0,1")
	next(nil, "203.0.113.9", "203.0.113.7", "2001:db8::1")
	announces("203,0,113,7")
	next(nil, "203.0.113.7", "203.0.113.1")
	announces("203,0,113,7")
	next(errors.New("no such host"))
	announces("203,0,113,7")
	next(nil, "2001:db8::1")
	announces("203,0,113,7")
	next(nil, "203.0.113.1")
	announces("203,0,113,1")

	log := s.log.until("address=203.0.113.1")
	for part, want := range map[string]int{
		"can't be resolved": 2, `announced="the address that`: 1, "announced=203.0.113.7": 1, "msg=\"public address\"": 2,
	} {
		if got := strings.Count(log, part); got != want {
			t.Errorf("the log says %q %d times, not %d:\n%s", part, got, want, log)
		}
	}
}

// The system's resolver knows localhost.
func TestPublicAddressBySystem(t *testing.T) {
	t.Parallel()
	s := start(t, "--root", t.TempDir(), "--public-address", "127.0.0.1=localhost")
	s.log.until("name=localhost address=127.0.0.1")
}
