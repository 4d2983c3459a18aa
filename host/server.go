package host

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wasiftp/host/bans"
	"wasiftp/host/internal/conn"
	"wasiftp/host/internal/wasm"
	"wasiftp/host/turns"
	"wasiftp/wasi"
)

// Server is an FTP server. Its methods may be called from any goroutine.
type Server struct {
	setup       atomic.Pointer[setup]
	logger      *slog.Logger
	program     *wasm.Program
	began       time.Time
	queue       *queue           // events and log records for the embedder
	wall        func() time.Time // nil: time.Now
	bans        *bans.Book
	secret      string         // marks the TLS tickets of this server: others may share its ticket keys
	running     sync.WaitGroup // the goroutines of the shards
	work        sync.WaitGroup // the goroutines that shards start: transfers, file operations
	revocations atomic.Uint64  // calls of Revoke
	processors  turns.Queue[party]
	smallBytes  atomic.Int64 // of small files that are open
	downloads   atomic.Int32 // that move bytes without conversion
	threads     threads
	counter     counter

	// ending is done once the server accepts no more connections.
	ending context.Context
	end    context.CancelFunc

	headers  headers
	arrivals sync.WaitGroup // what accepts connections, and the connections that are no sessions yet
	turned   chan struct{}  // a token for each refused connection that is still open

	changing sync.Mutex // one call of SetConfig at a time

	mu         sync.Mutex
	state      serverState
	shards     []*shard
	listeners  map[net.Listener]bool // for implicit TLS
	seats      seats
	perAccount map[string]int
	metered    map[string]*accountMeters
	logins     map[*login]struct{} // all that are counted, also those whose session has not fetched the answer yet
	lastID     uint64
	present    present
	uploads    uploads
	ports      ports
	idle       chan struct{} // closed when all sessions of a draining server are over and their last replies sent
	tempo      tempo         // of the Authenticator
	idleOnce   sync.Once
}

var (
	errNoTLS      = errors.New("implicit TLS needs Config.TLS.Config")
	errNoInstance = errors.New("no instance could be had")
)

// New checks the configuration, compiles the engine and starts a first instance: a
// module that cannot run fails here. All faults of the configuration come in one error.
func New(config Config) (*Server, error) {
	config, err := config.checked()
	if err != nil {
		return nil, err
	}
	queue := newQueue(config.Logger.Handler())
	config.Logger = slog.New(queued{queue, queue.handler})
	s := newServer(config)
	s.queue = queue
	go s.deliver()
	if s.program, err = compile(&s.current().Config); err != nil {
		s.queue.close(closeTime)
		return nil, err
	}
	if config.SessionsPerInstance > 0 {
		now := s.current()
		now.briefing.greeting, err = s.rehearse(now)
	} else {
		first := newShard(s)
		if err = first.ready(); err == nil {
			s.start(first)
		}
	}
	if err != nil {
		s.program.Close()
		s.queue.close(closeTime)
		return nil, err
	}
	return s, nil
}

// newServer makes a server without a program.
func newServer(config Config) *Server {
	s := &Server{
		logger: config.Logger, began: time.Now(), secret: rand.Text(), idle: make(chan struct{}),
		listeners: map[net.Listener]bool{}, seats: newSeats(), perAccount: map[string]int{},
		logins:  map[*login]struct{}{},
		metered: map[string]*accountMeters{},
		uploads: uploads{open: map[uploadKey]*openFile{}},
		processors: turns.Queue[party]{
			Places: config.Limits.Processors, PlacesPerKey: config.Limits.ProcessorsPerAccount,
		},
		turned: make(chan struct{}, maxTurned),
	}
	s.setup.Store(&setup{
		Config: config, briefing: &briefing{record: engineConfig(&config)}, meters: newMeters(meters{}, config.Limits.Rates),
	})
	s.bans, _ = bans.New(config.Bans, s.tellBan) // the policy is checked
	s.threads.share(config.Limits.Threads)
	s.ending, s.end = context.WithCancel(context.Background())
	return s
}

// engineConfig is the record of the configuration that the engine reads.
func engineConfig(c *Config) []byte {
	l := &c.Limits
	return wasi.Config{
		LoginTime: int64(l.LoginTime), IdleTime: int64(l.IdleTime), StallTime: int64(l.StallTime),
		DataTime: int64(l.DataTime), FailureDelay: int64(l.FailureDelay), LoginFailures: uint32(l.LoginFailures),
		LineLength: uint32(l.LineLength), ForeignData: c.AllowForeignDataAddress,
		TLS: c.TLS.Config != nil, TLSRequired: uint32(c.TLS.Require), Greeting: c.Greeting, Behaviour: c.Behaviour, Allow: c.Allow,
		Zone: zoneOf(c.ListZone), ShortReads: true,
	}.Append(nil)
}

func (s *Server) observe(e Event) {
	if s.current().Observer == nil {
		return
	}
	if e.Time = time.Now(); s.current().SyncObserver {
		s.tellObserver(&e)
	} else {
		s.queue.observe(e)
	}
}

// start adds a shard. Callers other than New hold s.mu.
func (s *Server) start(sh *shard) {
	s.shards = append(s.shards, sh)
	s.running.Add(1)
	go sh.run()
}

// Listen opens a listener for [Server.Serve], as net.Listen does; network is "tcp", "tcp4" or
// "tcp6". On Linux a session of its connections costs a tenth less than one of net.Listen's.
func Listen(network, address string) (net.Listener, error) { return conn.ListenTCP(network, address) }

// ListenFile makes a listener for [Server.Serve] of a socket that another process has opened
// and that this one has inherited, as by systemd's socket activation (sd_listen_fds(3)). It
// closes f. It fails if f is no TCP socket that listens.
func ListenFile(f *os.File) (net.Listener, error) {
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		l.Close()
		return nil, fmt.Errorf("%v is no TCP socket", l.Addr())
	}
	return conn.Adopt(tcp), nil
}

// Serve accepts control connections on l until HandOver, Shutdown or Close, and then returns
// [ErrServerClosed]. It returns another error if l is closed before, and goes on after
// any other error of Accept. It always closes l. It may be called for many listeners at
// a time.
func (s *Server) Serve(l net.Listener) error { return s.serve(l, false) }

// ServeTLS is [Server.Serve] for implicit TLS: the handshake comes before the greeting
// (by custom on port 990). Without a TLS.Config it closes l and returns an error.
func (s *Server) ServeTLS(l net.Listener) error {
	return s.serve(l, true)
}

func (s *Server) serve(l net.Listener, implicit bool) error {
	defer s.guard(listenerCode, nil, l.Close)
	s.mu.Lock()
	if s.state != serving {
		s.mu.Unlock()
		return ErrServerClosed
	}
	if implicit && s.current().TLS.Config == nil {
		s.mu.Unlock()
		return errNoTLS
	}
	s.listeners[l] = implicit
	s.arrivals.Add(1)
	s.mu.Unlock()
	defer s.arrivals.Done()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
	}()
	err := s.acceptAll(l, func(a *conn.Arrival) bool {
		switch c := a.Foreign(); {
		case c != nil:
			s.arrivals.Go(func() { s.acceptForeign(c, implicit) })
		case s.proxied(a.From.Addr()):
			s.arrivals.Go(func() { s.acceptProxied(a, implicit) })
		default:
			s.accept(a, implicit)
		}
		return true
	})
	if s.is(serving) {
		return err
	}
	return ErrServerClosed
}

// acceptForeign is accept for a connection of the embedder's own type: its RemoteAddr may
// block.
func (s *Server) acceptForeign(c net.Conn, implicit bool) {
	f, err := conn.Guarded(c, func(call func() error) error { return s.guard(connCode, nil, call) })
	if err != nil {
		f.Close()
		return
	}
	a := conn.Arrived(f)
	if s.proxied(a.From.Addr()) {
		s.acceptProxied(a, implicit)
	} else {
		s.accept(a, implicit)
	}
}

// The first pause after a failed accept, which each further failure doubles, and the
// longest.
const (
	acceptPause    = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// acceptAll calls take with each accepted connection until take returns false, the
// listener is closed, or the server ends. It tries again after any other error: accept
// fails for want of memory, of descriptors, of a network, or because one client has hung
// up already (accept(2)).
func (s *Server) acceptAll(l net.Listener, take func(*conn.Arrival) bool) error {
	pause := acceptPause
	for {
		arrival, over, err := s.acceptOne(l)
		if err == nil {
			pause = acceptPause
			if !take(arrival) {
				return nil
			}
			continue
		}
		if over || s.ending.Err() != nil {
			return err
		}
		s.guard(listenerCode, nil, func() error {
			s.logger.Warn("no connection accepted; trying again", "address", l.Addr().String(), "pause", pause, "err", err)
			return nil
		})
		select {
		case <-time.After(pause):
		case <-s.ending.Done():
		}
		pause = min(2*pause, maxAcceptPause)
	}
}

// acceptOne accepts a connection; over reports that the listener is closed.
func (s *Server) acceptOne(l net.Listener) (arrival *conn.Arrival, over bool, err error) {
	err = s.guard(listenerCode, nil, func() (err error) {
		arrival, err = conn.Accept(l)
		over = errors.Is(err, net.ErrClosed)
		return err
	})
	return arrival, over, err
}

// accept places a new connection in a shard, or refuses it.
func (s *Server) accept(a *conn.Arrival, implicit bool) {
	if err := s.bans.Admit(a.From.Addr()); err != nil {
		s.shutOut(a, err)
		return
	}
	p, err := s.admit(a.From.Addr())
	if err != nil {
		s.observe(Event{Kind: Refused, Client: a.From, Server: a.To, Err: err})
		s.turnAway(a)
		return
	}
	if !p.shard.do(func() { p.shard.open(a, p, implicit) }) {
		a.Close()
		p.drop(nil)
		s.leave(p.shard)
	}
}

// maxTurned is how many refused connections the server keeps open at a time until their
// clients have read the reply.
const maxTurned = 64

const replyFull = "421 Too many connections, try again later.\r\n"

// turnAway refuses a connection with 421. It waits a little until the client has read
// that, since a reset could overtake the reply. Beyond maxTurned it does not wait, or a
// flood of refused connections would take all descriptors.
func (s *Server) turnAway(a *conn.Arrival) {
	select {
	case s.turned <- struct{}{}:
		go func() {
			defer func() { <-s.turned }()
			c := a.Ordinary()
			defer c.Close()
			defer context.AfterFunc(s.ending, func() { c.Close() })()
			c.SetDeadline(time.Now().Add(conn.LingerTime))
			c.Write([]byte(replyFull))
			if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
				c.Read(make([]byte, 1))
			}
		}()
	default:
		a.Cut(replyFull)
	}
}

// admit counts a session against the limits and chooses its shard.
func (s *Server) admit(client netip.Addr) (*seat, error) {
	s.mu.Lock()
	if s.state > relieving {
		s.mu.Unlock()
		return nil, ErrServerClosed
	}
	p, gone, err := s.take(client)
	if err == nil {
		s.lastID++
		p.id, p.shard = s.lastID, s.chooseShard()
		p.shard.reserved++
	}
	s.mu.Unlock()
	for _, q := range gone {
		q.cut()
	}
	return p, err
}

// Another instance takes 2 MiB, but then another processor can run the engine. So one is
// made when the engine has just run, or when the sessions of each would be manySessions.
const (
	busyFor      = 100 * time.Millisecond // since the last step
	manySessions = 8
)

// chooseShard returns the shard for one more session: of those with room the least
// loaded, large ones last. It starts a new shard if none has room, or if all are busy and
// more are allowed. Callers hold s.mu.
func (s *Server) chooseShard() *shard {
	var best *shard
	now, instances := s.current(), 0
	limit := now.SessionsPerInstance
	for _, sh := range s.shards {
		if sh.briefing != now.briefing {
			continue
		}
		instances++
		full := limit > 0 && sh.reserved >= limit
		if !full && (best == nil || sh.before(best)) {
			best = sh
		}
	}
	if best == nil || limit == 0 && best.busy() && instances < now.Instances {
		best = newShard(s)
		s.start(best)
	}
	return best
}

// busy reports whether a further session should rather get another shard.
func (sh *shard) busy() bool {
	now, _ := sh.server.clock()
	return sh.reserved >= manySessions || sh.reserved > 0 && now-sh.ran.Load() < int64(busyFor)
}

// before reports whether a shard is the better one for another session.
func (sh *shard) before(other *shard) bool {
	if sh.large != other.large {
		return other.large
	}
	return sh.reserved < other.reserved
}

// leave counts a session of the shard as over. With SessionsPerInstance set the last one
// ends the shard, so that no later session gets its instance, as it does if SetConfig was
// called.
func (s *Server) leave(sh *shard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh.reserved--
	s.retire(sh)
}

// admitAccount counts a login against limit, the account's MaxSessions. It fails if the
// account is full, or if Revoke was called since s.revocations was since.
func (s *Server) admitAccount(l *login, limit int, since uint64) error {
	s.mu.Lock()
	if s.revocations.Load() != since {
		s.mu.Unlock()
		return errRevoked
	}
	var gone *seat
	if limit > 0 && s.perAccount[l.name] >= limit {
		if gone = s.seats.lingerer(func(q *seat) bool { return q.account == l.name }); gone == nil {
			s.mu.Unlock()
			return errAccountFull
		}
		s.giveBack(gone)
	}
	s.perAccount[l.name]++
	s.logins[l] = struct{}{}
	s.share(l)
	s.mu.Unlock()
	gone.cut()
	return nil
}

func (s *Server) releaseAccount(l *login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.logins, l)
	s.unshare(l)
	if !l.kept {
		decrement(s.perAccount, l.name)
	}
}

// Answers returns nil once each instance was seen between two steps: its goroutine runs, and
// takes new connections and events. If ctx ends before, it returns ctx's error. It is for
// watchdogs, and costs the sessions nothing but a moment.
func (s *Server) Answers(ctx context.Context) error {
	s.mu.Lock()
	shards := slices.Clone(s.shards)
	s.mu.Unlock()
	for _, sh := range shards {
		seen := make(chan struct{})
		if !sh.do(func() { close(seen) }) {
			continue // it has ended
		}
		select {
		case <-seen:
		case <-ctx.Done():
			if !sh.stopped() { // one that ends drops what it was to do
				return ctx.Err()
			}
		}
	}
	return nil
}
