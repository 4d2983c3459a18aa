// Package host runs the FTP engine, a WebAssembly module, for real clients: it
// owns the sockets, the ports, the accounts and the transfers, and trusts the
// module with none of them.
//
// A [Server] is used like one of net/http: [New], [Server.Serve],
// [Server.Shutdown], [Server.Close].
package host

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"wasiftp/wasi"
)

// Server is an FTP server. Its methods may be called from any goroutine.
type Server struct {
	config       Config
	program      *program
	engineConfig []byte
	began        time.Time
	wall         func() time.Time // nil: time.Now
	secret       string           // of this server alone, among those with the same ticket keys
	running      sync.WaitGroup   // the shards
	work         sync.WaitGroup   // what they have others do: transfers, file operations
	revocations  atomic.Uint64    // calls of Revoke
	threads      division

	// ending is done once no more clients are wanted.
	ending context.Context
	end    context.CancelFunc

	mu         sync.Mutex
	state      serverState
	shards     []*shard
	listeners  map[net.Listener]struct{}
	sessions   int
	perAddress map[netip.Addr]int
	perAccount map[string]int
	logins     map[*login]struct{} // that have a place, also those that their sessions have not yet heard of
	lastID     uint64
	present    present
	uploads    uploads
	ports      ports
	idle       chan struct{} // closed when the last session of a draining server is over
	idleOnce   sync.Once
}

type serverState uint8

const (
	serving serverState = iota
	draining
	closed
)

// ErrServerClosed is what [Server.Serve] returns after Shutdown or Close.
var ErrServerClosed = errors.New("host: server closed")

var (
	errTooManySessions = errors.New("too many sessions")
	errTooManyFromHere = errors.New("too many sessions from this address")
	errNoTLS           = errors.New("implicit TLS needs Config.TLS.Config")
	errNoInstance      = errors.New("no instance could be had")
)

// New checks the configuration, compiles the engine and starts a first
// instance, so that a module that cannot run is found out here. All faults of
// the configuration come in one error.
func New(config Config) (*Server, error) {
	config, err := config.checked()
	if err != nil {
		return nil, err
	}
	s := &Server{
		config: config, engineConfig: engineConfig(&config), began: time.Now(), secret: rand.Text(), idle: make(chan struct{}),
		listeners: map[net.Listener]struct{}{}, perAddress: map[netip.Addr]int{}, perAccount: map[string]int{},
		logins:  map[*login]struct{}{},
		uploads: uploads{open: map[uploadKey]*openFile{}},
		threads: divide(config.Limits.Threads),
	}
	s.ending, s.end = context.WithCancel(context.Background())
	if s.program, err = compile(&config); err != nil {
		return nil, err
	}
	first := newShard(s)
	if err := first.ready(); err != nil {
		s.program.close()
		return nil, err
	}
	s.start(first)
	return s, nil
}

// engineConfig is what the engine is told of the configuration.
func engineConfig(c *Config) []byte {
	l := &c.Limits
	return wasi.Config{
		LoginTime: int64(l.LoginTime), IdleTime: int64(l.IdleTime), StallTime: int64(l.StallTime),
		DataTime: int64(l.DataTime), FailureDelay: int64(l.FailureDelay), LoginFailures: uint32(l.LoginFailures),
		LineLength: uint32(l.LineLength), ForeignData: c.AllowForeignDataAddress,
		TLS: c.TLS.Config != nil, TLSRequired: uint32(c.TLS.Require), Greeting: c.Greeting, Behaviour: c.Behaviour, Allow: c.Allow,
		Zone: zoneOf(c.ListZone),
	}.Append(nil)
}

func (s *Server) observe(e Event) {
	if s.config.Observer != nil {
		e.Time = time.Now()
		s.config.Observer.Observe(e)
	}
}

// start adds a shard. Callers hold s.mu, or are New.
func (s *Server) start(sh *shard) {
	s.shards = append(s.shards, sh)
	s.running.Go(sh.run)
}

// Serve accepts control connections on l until Shutdown or Close, and then
// returns [ErrServerClosed]; it always closes l. It may be called for many
// listeners at a time.
func (s *Server) Serve(l net.Listener) error { return s.serve(l, false) }

// ServeTLS is [Server.Serve] for implicit TLS, where the handshake comes before
// the greeting (port 990, by custom).
func (s *Server) ServeTLS(l net.Listener) error {
	if s.config.TLS.Config == nil {
		l.Close()
		return errNoTLS
	}
	return s.serve(l, true)
}

func (s *Server) serve(l net.Listener, implicit bool) error {
	defer l.Close()
	s.mu.Lock()
	if s.state != serving {
		s.mu.Unlock()
		return ErrServerClosed
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
	}()
	err := s.acceptAll(l, func(conn net.Conn) bool {
		s.accept(conn, implicit)
		return true
	})
	if s.ending.Err() != nil {
		return ErrServerClosed
	}
	return err
}

// The first pause after a failed accept, doubled for each further one, and the
// longest.
const (
	acceptPause    = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// acceptAll gives each connection that comes to take, until take says that it
// wants no more, the listener is closed, or the server ends. Whatever else goes
// wrong may pass: accept fails for want of memory, of descriptors, of a network,
// or because one client has gone again (accept(2)).
func (s *Server) acceptAll(l net.Listener, take func(net.Conn) bool) error {
	pause := acceptPause
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = acceptPause
			if !take(conn) {
				return nil
			}
			continue
		case errors.Is(err, net.ErrClosed), s.ending.Err() != nil:
			return err
		}
		s.config.Logger.Warn("no connection accepted; trying again", "address", l.Addr(), "pause", pause, "err", err)
		select {
		case <-time.After(pause):
		case <-s.ending.Done():
		}
		pause = min(2*pause, maxAcceptPause)
	}
}

// accept places a new connection in a shard, or refuses it.
func (s *Server) accept(conn net.Conn, implicit bool) {
	client := addrPort(conn.RemoteAddr())
	sh, id, err := s.admit(client.Addr())
	if err != nil {
		s.observe(Event{Kind: Refused, Client: client, Server: addrPort(conn.LocalAddr()), Err: err})
		go turnAway(conn)
		return
	}
	if !sh.do(func() { sh.open(conn, id, implicit) }) {
		conn.Close()
		s.leave(sh, client.Addr())
	}
}

// turnAway says why and hangs up. It waits a little for the client to have read
// it: a reset could overtake the reply.
func turnAway(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(lingerTime))
	conn.Write([]byte("421 Too many connections, try again later.\r\n"))
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		conn.Read(make([]byte, 1))
	}
}

// admit counts a session against the limits and chooses its shard.
func (s *Server) admit(client netip.Addr) (*shard, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.config.Limits
	key := addressKey(client)
	switch {
	case s.state != serving:
		return nil, 0, ErrServerClosed
	case l.Sessions > 0 && s.sessions >= l.Sessions:
		return nil, 0, errTooManySessions
	case l.SessionsPerAddress > 0 && s.perAddress[key] >= l.SessionsPerAddress:
		return nil, 0, errTooManyFromHere
	}
	s.sessions++
	s.perAddress[key]++
	s.lastID++
	sh := s.place()
	sh.reserved++
	return sh, s.lastID, nil
}

// place chooses the shard for one more session: one with room, the least loaded
// first, and a new one where all are busy and more are allowed.
func (s *Server) place() *shard {
	var best *shard
	for _, sh := range s.shards {
		if !s.full(sh) && (best == nil || sh.reserved < best.reserved) {
			best = sh
		}
	}
	if best == nil || s.config.SessionsPerInstance == 0 && best.reserved > 0 && len(s.shards) < s.config.Instances {
		best = newShard(s)
		s.start(best)
	}
	return best
}

func (s *Server) full(sh *shard) bool {
	limit := s.config.SessionsPerInstance
	return limit > 0 && sh.reserved >= limit
}

// addressKey is what SessionsPerAddress counts: an IPv4 address, or the /64 that
// one IPv6 subscriber has all of.
func addressKey(a netip.Addr) netip.Addr {
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// release gives a session's place back.
func (s *Server) release(e *session) { s.leave(e.shard, e.client.Addr()) }

func (s *Server) leave(sh *shard, client netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions--
	key := addressKey(client)
	if s.perAddress[key]--; s.perAddress[key] <= 0 {
		delete(s.perAddress, key)
	}
	sh.reserved--
	if sh.reserved == 0 && s.config.SessionsPerInstance > 0 {
		s.retire(sh)
	}
	if s.state == draining && s.sessions == 0 {
		s.nobodyLeft()
	}
}

func (s *Server) nobodyLeft() { s.idleOnce.Do(func() { close(s.idle) }) }

// retire ends a shard whose last session is over: with SessionsPerInstance set,
// nobody gets an instance that others have had to themselves.
func (s *Server) retire(sh *shard) {
	for i := range s.shards {
		if s.shards[i] == sh {
			s.shards = append(s.shards[:i], s.shards[i+1:]...)
			break
		}
	}
	sh.do(func() { sh.stop("") })
}

// admitAccount gives a login its place, unless there is none or an account was
// revoked since.
func (s *Server) admitAccount(l *login, limit int, since uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.revocations.Load() != since:
		return errRevoked
	case limit > 0 && s.perAccount[l.name] >= limit:
		return errAccountFull
	}
	s.perAccount[l.name]++
	s.logins[l] = struct{}{}
	return nil
}

func (s *Server) releaseAccount(l *login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.logins, l)
	if s.perAccount[l.name]--; s.perAccount[l.name] <= 0 {
		delete(s.perAccount, l.name)
	}
}

// Shutdown stops listening, ends idle sessions with 421 and lets running
// transfers finish. When ctx ends first it closes what is left and returns
// ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if s.state == serving {
		s.state = draining
		s.closeListeners()
		for _, sh := range s.shards {
			sh.post(wasi.Event{Kind: wasi.EventDrain})
		}
		if s.sessions == 0 {
			s.nobodyLeft()
		}
	}
	s.mu.Unlock()
	var err error
	select {
	case <-s.idle:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.Close()
	return err
}

// Close ends everything at once: sessions get a last reply, uploads are
// aborted. It waits until that is done, but not for ever for a file system that
// hangs.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.state != closed {
		s.state = closed
		s.nobodyLeft()
		s.closeListeners()
		for _, sh := range s.shards {
			sh.do(func() { sh.stop("421 Server is shutting down.\r\n") })
		}
	}
	s.mu.Unlock()
	s.running.Wait()
	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeTime):
		s.config.Logger.Error("a file system hangs; closed without it")
	}
	s.program.close()
	return nil
}

// closeTime is how long Close waits for file systems.
const closeTime = 10 * time.Second

func (s *Server) closeListeners() {
	s.end()
	for l := range s.listeners {
		l.Close()
	}
}
