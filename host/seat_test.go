package host

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"wasiftp/host/internal/conn"
	"wasiftp/wasi"
)

// newLimited is a server without an engine, to test the count of connections.
func newLimited(t *testing.T, limits Limits) *Server {
	t.Helper()
	config, err := Config{Module: []byte{}, Limits: limits}.checked()
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(config)
	t.Cleanup(s.end)
	return s
}

// enter counts a connection from an address, as admit and open do.
func (s *Server) enter(t *testing.T, from string) (*seat, net.Conn, error) {
	t.Helper()
	s.mu.Lock()
	p, gone, err := s.take(netip.MustParseAddr(from))
	s.mu.Unlock()
	for _, q := range gone {
		q.cut()
	}
	if err != nil {
		return nil, nil, err
	}
	here, there := net.Pipe()
	t.Cleanup(func() { there.Close() })
	sh := newShard(s)
	newSession(sh, conn.Arrived(here), p)
	return p, there, nil
}

func isOpen(client net.Conn) bool {
	client.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := client.Read(make([]byte, 1))
	return err != io.EOF
}

// A /48 may have four times as many sessions as an address, and a /64 is one address.
func TestThreat36SeatsByAddress(t *testing.T) {
	t.Parallel()
	s := newLimited(t, Limits{SessionsPerAddress: 2})
	for _, c := range []struct {
		from string
		err  error
	}{
		{"192.0.2.1", nil}, {"192.0.2.1", nil}, {"192.0.2.1", errTooManyFromHere}, {"192.0.2.2", nil},
		{"2001:db8::1", nil}, {"2001:db8::2", nil}, {"2001:db8::3", errTooManyFromHere},
		{"2001:db8:0:1::1", nil}, {"2001:db8:0:1::1", nil}, {"2001:db8:0:2::1", nil}, {"2001:db8:0:2::1", nil},
		{"2001:db8:0:3::1", nil}, {"2001:db8:0:4::1", nil}, {"2001:db8:0:5::1", errTooManyFromHere},
		{"2001:db8:1::1", nil},
	} {
		if _, _, err := s.enter(t, c.from); err != c.err {
			t.Errorf("%s: %v, want %v", c.from, err, c.err)
		}
	}
}

// All counts are back at zero at the end.
func TestSeatsAreGivenBack(t *testing.T) {
	t.Parallel()
	s := newLimited(t, Limits{SessionsPerAddress: 3, Sessions: 9})
	for _, from := range []string{"192.0.2.1", "2001:db8::1", "2001:db8::1"} {
		p, _, err := s.enter(t, from)
		if err != nil || !p.hold() {
			t.Fatal(err)
		}
		p.loggedIn()
		p.loggedOut()
		p.drop(nil)
		if p.given {
			t.Error("it is given back while a descriptor is open")
		}
		p.drop(nil)
		if !p.given {
			t.Error("it is not given back")
		}
	}
	all := &s.seats
	if all.taken+len(all.addresses)+len(all.sites)+all.strangers+len(all.strange)+len(all.parting)+len(all.lingering) > 0 {
		t.Errorf("%+v", all)
	}
}

// A new connection takes the place of the oldest stranger of the address that has
// most, but of no address that has as few as its own.
func TestThreat36StrangersGiveWay(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]Limits{"strangers": {Strangers: 4}, "sessions": {Sessions: 4}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLimited(t, limits)
			var clients []net.Conn
			for _, from := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"} {
				_, client, err := s.enter(t, from)
				if err != nil {
					t.Fatal(err)
				}
				clients = append(clients, client)
			}
			if _, _, err := s.enter(t, "192.0.2.1"); err == nil {
				t.Error("an address takes the place of its own stranger")
			}
			if _, _, err := s.enter(t, "192.0.2.3"); err != nil {
				t.Error(err)
			}
			if isOpen(clients[0]) || !isOpen(clients[1]) || !isOpen(clients[3]) {
				t.Error("another one gave way than the oldest of the heaviest address")
			}
			if _, _, err := s.enter(t, "192.0.2.2"); err == nil {
				t.Error("an address that has as many as any other gets more")
			}
			if _, _, err := s.enter(t, "2001:db8::1"); err != nil {
				t.Error(err)
			}
			for _, from := range []string{"192.0.2.4", "2001:db8:0:1::1"} {
				if _, _, err := s.enter(t, from); err == nil {
					t.Errorf("%s gets a place though all have one each", from)
				}
			}
			if s.seats.taken != 4 || s.seats.strangers != 4 {
				t.Errorf("%d places are taken, %d by strangers", s.seats.taken, s.seats.strangers)
			}
		})
	}
}

// A session that is logged in never gives way.
func TestThreat36UsersStay(t *testing.T) {
	t.Parallel()
	s := newLimited(t, Limits{Sessions: 3, Strangers: 2})
	for range 3 {
		p, client, err := s.enter(t, "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		p.loggedIn()
		defer func() {
			if !isOpen(client) {
				t.Error("a user's session was ended")
			}
		}()
	}
	if _, _, err := s.enter(t, "192.0.2.2"); err != errTooManySessions {
		t.Error(err)
	}
}

// From StrangersStart on addresses that have most strangers are refused, others not.
func TestThreat36EarlyDrop(t *testing.T) {
	t.Parallel()
	s := newLimited(t, Limits{Strangers: 10, StrangersStart: 3, StrangersRate: 100})
	for range 3 {
		if _, _, err := s.enter(t, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.enter(t, "192.0.2.1"); err != errTooManyStrangers {
		t.Error(err)
	}
	for range 2 {
		if _, client, err := s.enter(t, "192.0.2.2"); err != nil || !isOpen(client) {
			t.Error(err)
		}
	}
	if _, _, err := s.enter(t, "192.0.2.2"); err != errTooManyStrangers {
		t.Error(err)
	}
	half := newLimited(t, Limits{Strangers: 300, StrangersStart: 100, StrangersRate: 1})
	for half.seats.strangers < 200 {
		half.enter(t, "192.0.2.1")
	}
	got := 0
	for range 1000 { // the half of them should get in, with a spread of 16
		if p, _, err := half.enter(t, "192.0.2.1"); err == nil {
			got++
			p.drop(nil)
		}
	}
	if got < 350 || got > 650 {
		t.Errorf("%d of 1000 get in half way between none and all refused", got)
	}
}

// REIN counts a session as a stranger's again, and must not be a way around Strangers.
func TestThreat36StrangersAgain(t *testing.T) {
	t.Parallel()
	s := newLimited(t, Limits{Strangers: 2})
	var users []*seat
	var clients []net.Conn
	for _, from := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"} {
		p, client, err := s.enter(t, from)
		if err != nil {
			t.Fatal(err)
		}
		p.loggedIn()
		users, clients = append(users, p), append(clients, client)
	}
	users[0].loggedOut()
	users[1].loggedOut()
	users[2].loggedOut()
	if isOpen(clients[0]) || !isOpen(clients[1]) || !isOpen(clients[2]) {
		t.Error("the oldest of the address that has most does not give way")
	}
	users[3].loggedOut()
	if isOpen(clients[3]) || s.seats.strangers != 2 {
		t.Errorf("there are %d strangers", s.seats.strangers)
	}
	if users[3].reason() != errGaveWay || users[2].reason() != nil {
		t.Error("the wrong one hears why")
	}
}

// A session's seat is given back, and its account's place, when both its control and its data
// connection are closed. A connection that only waits for its client's FIN gives way.
func TestThreat34SeatOutlivesSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newLimited(t, Limits{Sessions: 1, StallTime: time.Hour})
		p, client, err := s.enter(t, "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		sh := newShard(s)
		e := &session{shard: sh, server: s, config: s.current(), seat: p, stream: p.control}
		l := &login{session: e, name: "ali"}
		if err := s.admitAccount(l, 1, 0); err != nil {
			t.Fatal(err)
		}
		e.login.Store(l)
		here, there := net.Pipe()
		p.hold()
		data := &dataConn{session: e}
		data.connected(here, 0)
		e.own(data)
		data.stream.Write([]byte("a listing"))
		e.stream.Write([]byte("a reply"))
		e.end()
		next := &login{session: e, name: "ali"}
		full := func(when string) {
			t.Helper()
			synctest.Wait()
			if _, _, err := s.enter(t, "192.0.2.2"); err != errTooManySessions {
				t.Errorf("%s: %v", when, err)
			}
			if err := s.admitAccount(next, 1, 0); err != errAccountFull {
				t.Errorf("%s: %v", when, err)
			}
		}
		full("both are open")
		io.ReadAll(there)
		full("the listing is read")
		time.Sleep(partingTime + time.Second)
		synctest.Wait()
		if isOpen(client) {
			t.Error("a client that takes nothing keeps the connection")
		}
		if err := s.admitAccount(next, 1, 0); err != nil {
			t.Error(err)
		}
		if _, _, err := s.enter(t, "192.0.2.2"); err != nil {
			t.Error(err)
		}
	})
}

// A connection that waits for its client's FIN keeps no other out, by the limit of the
// address, of all or of an account.
func TestSeatThatLingersGivesWay(t *testing.T) {
	t.Parallel()
	s := newLimited(t, Limits{SessionsPerAddress: 1, Sessions: 2})
	linger := func() *net.TCPConn {
		p, _, err := s.enter(t, "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		here, there := tcpPair(t)
		p.begin(conn.New(here, nil, &link{seat: p, shard: newShard(s)}))
		p.account = "ali"
		s.perAccount["ali"]++
		p.control.Receive()
		p.control.Close(time.Minute, time.Minute)
		if len(s.seats.lingering) != 1 {
			t.Fatal("it does not linger")
		}
		return there
	}
	closed := func(c *net.TCPConn) {
		t.Helper()
		if len(s.seats.lingering)+len(s.seats.parting) > 0 {
			t.Error("it is still there")
		}
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("it ended with %v", err)
		}
	}
	c := linger()
	p, _, err := s.enter(t, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	closed(c)
	p.drop(nil)
	c = linger()
	if err := s.admitAccount(&login{name: "ali"}, 1, 0); err != nil {
		t.Fatal(err)
	}
	closed(c)
}

// No session has more data connections than maxOwned, in whatever state they are.
func TestThreat34DataConnectionsAreCounted(t *testing.T) {
	t.Parallel()
	p, _, err := newLimited(t, Limits{}).enter(t, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	for range maxOwned {
		if !p.hold() {
			t.Fatal("too few")
		}
	}
	if p.hold() {
		t.Error("too many")
	}
	p.drop(nil)
	if !p.hold() {
		t.Error("one that was closed still counts")
	}
}

// A session that was admitted before the shard began to drain, and opened after it, gets
// 421; so does one whose client has sent nothing.
func TestDrainFindsEverySession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newLimited(t, Limits{})
		s.current().briefing.greeting = []byte("220 hello\r\n")
		sh := newShard(s)
		sh.reserved = 3
		open := func() net.Conn {
			here, there := net.Pipe()
			s.mu.Lock()
			p, _, _ := s.take(netip.Addr{})
			s.mu.Unlock()
			sh.open(conn.Arrived(here), p, false)
			return there
		}
		read := func(c net.Conn) <-chan string {
			text := make(chan string, 1)
			go func() {
				b, _ := io.ReadAll(c)
				text <- string(b)
			}()
			return text
		}
		silent := read(open())
		synctest.Wait()
		late := make(chan (<-chan string), 1)
		sh.do(sh.drain)
		sh.do(func() { late <- read(open()) })
		s.mu.Lock()
		s.state = draining
		s.mu.Unlock()
		if events := sh.turn(); len(events) == 0 || events[0].Kind != wasi.EventDrain {
			t.Errorf("the engine hears %+v", events)
		}
		if got := <-silent; got != "220 hello\r\n"+replyShutdown {
			t.Errorf("the silent client gets %q", got)
		}
		if got := <-<-late; got != replyShutdown {
			t.Errorf("the late client gets %q", got)
		}
		synctest.Wait()
		select {
		case <-s.idle:
		default:
			t.Errorf("the server is not done: %+v", s.seats)
		}
	})
}

// The host sends the greeting for the engine, ends sessions whose clients send nothing, and
// makes no instance for them.
func TestThreat36SilenceNeedsNoInstance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newLimited(t, Limits{LoginTime: time.Minute})
		s.current().briefing.greeting = []byte("220 hello\r\n")
		sh := newShard(s)
		here, there := net.Pipe()
		defer there.Close()
		sh.open(conn.Arrived(here), &seat{server: s, shard: sh, config: s.current(), open: 1}, false)
		got := make([]byte, len(s.current().briefing.greeting))
		if _, err := io.ReadFull(there, got); err != nil || string(got) != string(s.current().briefing.greeting) {
			t.Errorf("%q, %v", got, err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		sh.turn()
		if rest, err := io.ReadAll(there); string(rest) != "421 Login timed out.\r\n" || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
		if sh.instance != nil || sh.sessions+len(sh.silent) > 0 {
			t.Error("something is left")
		}
	})
}

// The engine's greeting is not sent twice, but another first reply is sent.
func TestGreetingIsSaidOnce(t *testing.T) {
	t.Parallel()
	for words, said := range map[string]int{"220 hello\r\n": 11, "220 hello\r\nmore": 11, "421 no\r\n": 0, "": 0} {
		e := &session{greeting: []byte("220 hello\r\n")}
		if n := e.repeated([]byte(words)); n != said || e.greeting != nil {
			t.Errorf("%q: %d", words, n)
		}
	}
}

// The host sends only a greeting of FTP for the engine.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	s := newLimited(t, Limits{})
	s.program = handmade(t, nil)
	if greeting, err := s.rehearse(s.current()); greeting != nil || err != nil {
		t.Errorf("a dumb engine greets with %q, %v", greeting, err)
	}
	config, err := Config{Greeting: "hello"}.checked()
	if err != nil {
		t.Fatal(err)
	}
	real := newServer(config)
	defer real.end()
	if real.program, err = compile(&config); err != nil {
		t.Fatal(err)
	}
	defer real.program.Close()
	if greeting, err := real.rehearse(real.current()); string(greeting) != "220 hello\r\n" || err != nil {
		t.Errorf("%q, %v", greeting, err)
	}
}

// tcpPair is a connection through the system.
func tcpPair(t *testing.T) (here net.Conn, there *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err == nil {
		here, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); here.Close() })
	return here, client.(*net.TCPConn)
}
