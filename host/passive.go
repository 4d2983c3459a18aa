package host

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"wasiftp/host/internal/conn"
	"wasiftp/wasi"
)

// publicTime is how long a session uses an answer of Passive.PublicAddressFor.
const publicTime = time.Minute

// publicCode names Passive.PublicAddressFor in the log.
const publicCode = "Passive.PublicAddressFor"

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
		s.server.work.Go(func() { s.server.acceptAll(socket, take) })
	}
	l.socket = conn.Listen(p.socket, s.shard.poll, func() { s.shard.do(l.attend) }, serve)
	return l
}

// lasting reports whether a port may be kept for the session's next transfer.
func (l *listener) lasting() bool {
	fresh := l.session.server.config.Passive.PublicAddressFor == nil || time.Since(l.opened) < publicTime
	return !l.ranged && l.uses < maxUses && fresh
}

// openPort opens a passive port. That may have to wait if the port is of a range, or if the
// embedder's code is asked.
func (s *session) openPort(family uint32) (*passivePort, wasi.Errno) {
	passive := &s.server.config.Passive
	if passive.FirstPort == 0 && passive.PublicAddressFor == nil {
		result := s.passive(context.Background())
		return result.port, result.errno
	}
	result, errno := s.pose(questionKey{call: wasi.NetListen, flags: family}, task{work: s.passive})
	return result.port, errno
}

// passive answers with a passive port.
func (s *session) passive(ctx context.Context) answer {
	port, err := s.server.ports.open(ctx, s)
	if err == nil {
		if port.public, err = s.public(); err != nil {
			port.end()
		}
	}
	if err != nil {
		s.server.config.Logger.Warn("no passive port", "session", s.id, "client", s.client, "err", err)
		return answer{errno: errnoOf(err)}
	}
	return answer{port: port}
}

// public is the address that Passive.PublicAddressFor has for the client; not valid for
// none.
func (s *session) public() (public netip.Addr, err error) {
	ask := s.server.config.Passive.PublicAddressFor
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
	passive, client := &s.server.config.Passive, s.client.Addr()
	if passive.PublicAddressFor != nil {
		return wasi.Announced(s.local.Addr(), l.public, false, l.port)
	}
	near := slices.ContainsFunc(passive.LocalNetworks, func(n netip.Prefix) bool { return n.Contains(client) })
	if passive.LocalNetworks == nil {
		near = wasi.IsNear(client)
	}
	return wasi.Announced(s.local.Addr(), passive.PublicAddress, near, l.port)
}
