package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wasiftp/host"
)

// refusals observes n refused data connections from an address.
func refusals(o observer, n int, from string) {
	for i := range n {
		data := netip.AddrPortFrom(netip.MustParseAddr(from), uint16(1024+i%60000))
		o.Observe(host.Event{Kind: host.DataRefused, Session: 7, Client: client, Data: data})
	}
}

// notes is a log from which a test takes the records.
type notes struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

// records takes what was logged, without the times.
func (n *notes) records() (lines []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for line := range strings.Lines(n.text.String()) {
		_, line, _ = strings.Cut(line, " ")
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	n.text.Reset()
	return lines
}

func checkLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the log is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Each limit that refuses an address is logged, even after another limit was.
func TestThreat36RefusalsByLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log notes
		r := newRepetitions(newLogger(&log, "text").Handler())
		o := newObserver(slog.New(r))
		for _, limit := range []string{"one", "other", "one", "one", "other"} {
			o.Observe(host.Event{Kind: host.Refused, Client: client, Err: errors.New(limit)})
		}
		const refused = "level=WARN msg=refused "
		checkLines(t, log.records(), refused+"session=0 client=192.0.2.1:4711 err=one",
			refused+"session=0 client=192.0.2.1:4711 err=other")
		r.close()
		got := log.records()
		slices.Sort(got)
		checkLines(t, got, refused+"client=192.0.2.1 err=one repeated=2", refused+"client=192.0.2.1 err=other repeated=1")
	})
}

// Repetitions from an address are counted, and their number is logged.
func TestThreat22Repetitions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log notes
		r := newRepetitions(newLogger(&log, "text").Handler())
		o := newObserver(slog.New(r))
		const refused = `level=WARN msg="data connection refused" `

		refusals(o, 3000, "192.0.2.9")
		refusals(o, 1, "192.0.2.10")
		refusals(o, 2, "2001:db8::1")
		refusals(o, 2, "2001:db8::2")
		checkLines(t, log.records(), refused+"session=7 client=192.0.2.1:4711 data=192.0.2.9:1024",
			refused+"session=7 client=192.0.2.1:4711 data=192.0.2.10:1024",
			refused+"session=7 client=192.0.2.1:4711 data=[2001:db8::1]:1024")

		time.Sleep(quietTime)
		synctest.Wait()
		got := log.records()
		if len(got) == 2 && strings.Contains(got[0], "2001") { // of the same moment
			got[0], got[1] = got[1], got[0]
		}
		checkLines(t, got, refused+"client=192.0.2.1 data=192.0.2.9 repeated=2999",
			refused+"client=192.0.2.1 data=2001:db8::/64 repeated=3")

		refusals(o, 5, "192.0.2.9") // it goes on
		time.Sleep(quietTime)
		synctest.Wait()
		checkLines(t, log.records(), refused+"client=192.0.2.1 data=192.0.2.9 repeated=5")

		time.Sleep(quietTime)
		synctest.Wait()
		refusals(o, 4, "192.0.2.9") // it begins anew
		r.close()
		checkLines(t, log.records(), refused+"session=7 client=192.0.2.1:4711 data=192.0.2.9:1024",
			refused+"client=192.0.2.1 data=192.0.2.9 repeated=3")
		refusals(o, 2, "192.0.2.9")
		if got := log.records(); len(got) != 2 {
			t.Errorf("after the end %q are logged", got)
		}
	})
}

// What users do is never left out, and each kind that strangers can cause is
// counted apart.
func TestRepetitionsOfKinds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log notes
		r := newRepetitions(newLogger(&log, "text").Handler())
		o := newObserver(slog.New(r))
		const times = 20
		deeds := 0
		for kind := host.Connected; kind.String() != "unknown"; kind++ {
			for range times {
				o.Observe(host.Event{Kind: kind, Session: 7, Client: client, User: "alice", Path: "/f", Err: errors.New("reset")})
			}
			got := len(log.records())
			switch kind {
			case host.Connected, host.Listed:
				if got != 0 {
					t.Errorf("%v: %d records", kind, got)
				}
			case host.LoginFailed:
				if got != 5 {
					t.Errorf("%v: %d records, want the first 5", kind, got)
				}
			case host.Refused, host.DataRefused, host.TLSFailed, host.Unreached:
				if got != 1 {
					t.Errorf("%v: %d records, want the first", kind, got)
				}
			default:
				deeds++
				if got != times {
					t.Errorf("%v: %d records, want all %d", kind, got, times)
				}
			}
		}
		if deeds == 0 {
			t.Error("no deed was tried")
		}
		for range times { // they never logged in, or anybody may
			o.Observe(host.Event{Kind: host.Disconnected, Session: 7, Client: client})
			o.Observe(host.Event{Kind: host.LoggedIn, Session: 7, Client: client, User: "anonymous"})
			o.Observe(host.Event{Kind: host.LoggedOut, Session: 7, Client: client, User: "anonymous@a.example.org"})
		}
		for _, user := range []string{"alice", "bob"} { // each has a trouble of his own
			for range times {
				o.Error("the authenticator failed", "session", 7, "client", client, "user", user, "err", "no folder")
			}
		}
		for range times { // the server's own troubles
			o.Warn("no passive port", "session", 7, "client", client, "err", "none")
			o.Error("an instance failed; its sessions end", "err", "trap")
		}
		if got := log.records(); len(got) != 7 {
			t.Errorf("the log is\n%s", strings.Join(got, "\n"))
		}
		r.close()
		if got := log.records(); len(got) != 12 || strings.Count(strings.Join(got, ""), " repeated=19") != 11 {
			t.Errorf("at the end the log is\n%s", strings.Join(got, "\n"))
		}
	})
}

// apart is how many kinds are counted apart now.
func (c *counts) apart() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.of)
}

// Any number of addresses takes no more memory, and no more log, than maxKinds do.
func TestRepetitionsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log notes
		r := newRepetitions(newLogger(&log, "text").Handler())
		o := newObserver(slog.New(r))
		const addresses = 100_000
		var ip [4]byte
		for i := range uint32(addresses) {
			binary.BigEndian.PutUint32(ip[:], 1<<24+i)
			o.Observe(host.Event{Kind: host.Refused, Client: netip.AddrPortFrom(netip.AddrFrom4(ip), 4711)})
		}
		if n := r.apart(); n > maxKinds+1 {
			t.Errorf("%d addresses are remembered", n)
		}
		if got := log.records(); len(got) != maxKinds+1 {
			t.Errorf("%d records, want %d", len(got), maxKinds+1)
		}
		time.Sleep(quietTime)
		synctest.Wait()
		checkLines(t, log.records(), fmt.Sprintf("level=WARN msg=refused client=others repeated=%d", addresses-maxKinds-1))
		time.Sleep(quietTime)
		synctest.Wait()
		if n := r.apart(); n != 0 {
			t.Errorf("%d addresses are still remembered", n)
		}
	})
}

// The same through a server: connections to a passive port from another address, and
// control connections without a command.
func TestThreat22RepetitionsServed(t *testing.T) {
	t.Parallel()
	s := start(t, "--root", t.TempDir())
	d := s.dial()
	d.login("ftp", "x")
	text := d.do(229, "EPSV")
	_, port, _ := strings.Cut(text, "(|||")
	port, _, _ = strings.Cut(port, "|")
	stranger := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	const tries = 50
	for range tries {
		c, err := stranger.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			t.Skip("this machine has one loopback address:", err)
		}
		c.Read(make([]byte, 1)) // until it is turned away
		c.Close()
	}
	for range tries {
		silent := s.dial()
		silent.Close()
	}
	d.do(221, "QUIT")
	s.interrupt()
	s.wait()
	log := s.log.String()
	for part, want := range map[string]int{
		`msg="data connection refused"`: 2, `msg="data connection refused" client=127.0.0.1 data=127.0.0.2 repeated=49`: 1,
		"msg=disconnected": 2, "user=anonymous": 2, // in, refused
	} {
		if got := strings.Count(log, part); got != want {
			t.Errorf("the log has %s %d times, want %d:\n%s", part, got, want, log)
		}
	}
}
