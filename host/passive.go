package host

import (
	"context"
	"errors"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"wasiftp/host/internal/conn"
	"wasiftp/wasi"
)

// publicTime is how long a session uses an answer of Passive.PublicAddressFor.
const publicTime = time.Minute

// passivePort is an open port to which nobody has listened yet.
type passivePort struct {
	session *session
	socket  net.Listener
	number  uint16     // of the range, 0 for none
	public  netip.Addr // see announced
}

func (p *passivePort) end() {
	p.socket.Close()
	p.session.server.ports.giveBack(p.session, p.number)
}

func (p *passivePort) listener() *listener {
	s := p.session
	l := &listener{
		session: s, port: conn.Addr(p.socket.Addr()).Port(), ranged: p.number > 0, public: p.public, opened: time.Now(),
	}
	serve := func(socket net.Listener, take func(*conn.Arrival) bool) {
		s.server.work.Go(func() { s.server.acceptAll(socket, s.server.known(take)) })
	}
	l.socket = conn.Listen(p.socket, s.shard.poll, func() { s.shard.do(l.attend) }, serve)
	return l
}

// lasting reports whether a port may be kept for the session's next transfer.
func (l *listener) lasting() bool {
	fresh := l.session.config.Passive.PublicAddressFor == nil || time.Since(l.opened) < publicTime
	return !l.ranged && l.session.config.ListenData == nil && l.uses < maxUses && fresh
}

// family is the address family of the session's passive ports: that of the control
// connection. A session without one has ports of ListenData only, of whatever family.
func (s *session) family(want uint32) (family uint32, errno wasi.Errno) {
	switch local := s.local.Addr(); {
	case !local.IsValid() && s.config.ListenData == nil:
		return 0, wasi.ENOSYS
	case !local.IsValid():
		return want, wasi.OK
	case local.Is4():
		family = 4
	default:
		family = 6
	}
	if want != 0 && want != family {
		return 0, wasi.EINVAL
	}
	return family, wasi.OK
}

// openPort opens a passive port. That may have to wait if the port is of a range, or if the
// embedder's code is asked.
func (s *session) openPort(family uint32) (*passivePort, wasi.Errno) {
	config := s.config
	if config.Passive.FirstPort == 0 && config.Passive.PublicAddressFor == nil && config.ListenData == nil {
		result := s.passive(context.Background())
		return result.port, result.errno
	}
	result, errno := s.pose(questionKey{call: wasi.NetListen, flags: family}, task{work: s.passive})
	return result.port, errno
}

// passive answers with a passive port.
func (s *session) passive(ctx context.Context) answer {
	open := s.server.ports.open
	if s.config.ListenData != nil {
		open = openOwn
	}
	port, err := open(ctx, s)
	if err == nil {
		if port.public, err = s.public(); err != nil {
			port.end()
		}
	}
	if err != nil {
		s.server.logger.Warn("no passive port", "session", s.id, "client", s.client, "err", err)
		return answer{errno: errnoOf(err)}
	}
	return answer{port: port}
}

// ownPort is a passive port that ListenData has opened.
type ownPort struct {
	net.Listener
	server  *Server
	address *net.TCPAddr
	closed  atomic.Bool
}

var (
	errNoListener  = errors.New("ListenData returned neither a listener nor an error")
	errDataAddress = errors.New("the address of the listener that ListenData returned is no *net.TCPAddr with a port")
)

func (s *session) dataRequest() DataRequest {
	return DataRequest{Session: s.id, User: s.user(), Client: s.client, Server: s.local, Remote: s.far, Local: s.near}
}

// openOwn has the embedder open a passive port.
func openOwn(ctx context.Context, s *session) (*passivePort, error) {
	of := s.dataRequest()
	port := &ownPort{server: s.server}
	err := s.guard(listenDataCode, func() (err error) {
		if port.Listener, err = s.config.ListenData(ctx, of); err != nil {
			return err
		}
		if port.Listener == nil {
			return errNoListener
		}
		var ok bool
		if port.address, ok = port.Listener.Addr().(*net.TCPAddr); !ok || port.address.Port <= 0 || port.address.Port > math.MaxUint16 {
			return errDataAddress
		}
		return nil
	})
	if err != nil {
		if port.Listener != nil {
			port.Close()
		}
		return nil, &portFault{err}
	}
	if tcp, ok := port.Listener.(*net.TCPListener); ok { // which the shard's poll can watch
		return &passivePort{session: s, socket: tcp}, nil
	}
	return &passivePort{session: s, socket: port}, nil
}

// portFault hides what errno an error of ListenData has: the engine takes some for answers.
type portFault struct{ of error }

func (f *portFault) Error() string { return f.of.Error() }

func (p *ownPort) Addr() net.Addr { return p.address }

// Accept implements [net.Listener]. Once the embedder's is closed it may do anything: return
// another error, or none, or panic.
func (p *ownPort) Accept() (net.Conn, error) {
	if p.closed.Load() {
		return nil, net.ErrClosed
	}
	c, err := p.Listener.Accept()
	if p.closed.Load() {
		if c != nil {
			c.Close()
		}
		return nil, net.ErrClosed
	}
	return c, err
}

// Close implements [net.Listener]. It waits for no code of the embedder's.
func (p *ownPort) Close() error {
	if !p.closed.Swap(true) {
		p.server.work.Go(func() { p.server.guard(listenerCode, nil, p.Listener.Close) })
	}
	return nil
}

// known is take for connections of any type: those of the embedder's own become guarded.
func (s *Server) known(take func(*conn.Arrival) bool) func(*conn.Arrival) bool {
	return func(a *conn.Arrival) bool {
		c := a.Foreign()
		if c == nil {
			return take(a)
		}
		f, err := conn.Guarded(c, func(call func() error) error { return s.guard(connCode, nil, call) })
		if err != nil {
			f.Close()
			return true
		}
		return take(conn.Arrived(f))
	}
}

// public is the address that Passive.PublicAddressFor has for the client; not valid for
// none.
func (s *session) public() (public netip.Addr, err error) {
	ask := s.config.Passive.PublicAddressFor
	if ask == nil || !s.local.Addr().Is4() {
		return netip.Addr{}, nil
	}
	err = s.guard(publicCode, func() error { public = ask(s.client.Addr()).Unmap(); return nil })
	if !public.Is4() || public.IsUnspecified() {
		public = netip.Addr{}
	}
	return public, err
}

// announced is the address at which this client reaches a passive port.
func (s *session) announced(l *listener) netip.AddrPort {
	passive, client := &s.config.Passive, s.client.Addr()
	if passive.PublicAddressFor != nil {
		return wasi.Announced(s.local.Addr(), l.public, false, l.port)
	}
	near := slices.ContainsFunc(passive.LocalNetworks, func(n netip.Prefix) bool { return n.Contains(client) })
	if passive.LocalNetworks == nil {
		near = wasi.IsNear(client)
	}
	return wasi.Announced(s.local.Addr(), passive.PublicAddress, near, l.port)
}

// vouched reports whether ListenData answers for the session's data connections: nobody can
// compare their addresses with that of a control connection that has none.
func (s *session) vouched() bool { return s.config.ListenData != nil && !s.client.IsValid() }

// owns reports whether a data connection from an address is of the session's client.
func (s *session) owns(from netip.Addr) bool {
	return wasi.IsClient(s.client.Addr(), from) || s.config.AllowForeignDataAddress
}
