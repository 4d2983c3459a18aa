package standalone

import (
	"math/rand/v2"
	"net/netip"

	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

// LocalAddress implements [ftp.Sockets].
func (w *world) LocalAddress(h ftp.Handle) netip.AddrPort {
	if s, ok := w.objects[h].(*session); ok {
		return s.local
	}
	return netip.AddrPort{}
}

// PeerAddress implements [ftp.Sockets].
func (w *world) PeerAddress(h ftp.Handle) netip.AddrPort {
	if s, ok := w.objects[h].(*session); ok {
		return s.peer
	}
	return netip.AddrPort{}
}

// connection finds a control or data connection, nil if the handle is of neither.
func (w *world) connection(h ftp.Handle) *endpoint {
	switch c := w.objects[h].(type) {
	case *session:
		return &c.endpoint
	case *dataConn:
		return &c.endpoint
	}
	return nil
}

// Read implements [ftp.Sockets].
func (w *world) Read(h ftp.Handle, p []byte) (int, error) {
	e := w.connection(h)
	if e == nil {
		return 0, ftp.ErrReset
	}
	n, err := w.network.Read(e.socket, p)
	e.reading = err == ftp.ErrAgain
	return n, err
}

// Write implements [ftp.Sockets].
func (w *world) Write(h ftp.Handle, p []byte) (int, error) {
	e := w.connection(h)
	if e == nil {
		return 0, ftp.ErrReset
	}
	n, err := w.network.Write(e.socket, p)
	e.writing = err == ftp.ErrAgain || err == nil && n < len(p)
	return n, err
}

// StartTLS implements [ftp.Sockets]. There is no TLS, and ftp.Config tells the engine so.
func (w *world) StartTLS(ftp.Handle, []byte) error { return ftp.ErrUnsupported }

// Reset implements [ftp.Streams].
func (w *world) Reset(h ftp.Handle) {
	if c, ok := w.objects[h].(*dataConn); ok {
		delete(w.objects, h)
		c.session.disown(h)
		w.unwatch(&c.endpoint, true)
	}
}

// Listen implements [ftp.Sockets].
func (w *world) Listen(h ftp.Handle, family int) (ftp.Handle, netip.AddrPort, error) {
	s, ok := w.objects[h].(*session)
	if !ok {
		return 0, netip.AddrPort{}, ftp.ErrStorage
	}
	is4 := s.local.Addr().Is4()
	if family == 4 && !is4 || family == 6 && is4 {
		return 0, netip.AddrPort{}, ftp.ErrName
	}
	socket, port, err := w.listen(s.local.Addr())
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	l := &listener{endpoint: endpoint{socket: socket}, port: port}
	w.ports[port] = true
	handle := w.add(l, s)
	w.watch(&l.endpoint, s, handle)
	return handle, w.announced(s, port), nil
}

// listen listens on a random free port of the pool, so that nobody can guess the next one.
func (w *world) listen(ip netip.Addr) (Socket, uint16, error) {
	p := w.settings.Passive
	size := int(p.Last) - int(p.First) + 1
	start := rand.IntN(size)
	for i := range size {
		port := p.First + uint16((start+i)%size)
		if w.ports[port] {
			continue
		}
		if socket, at, err := w.network.Listen(netip.AddrPortFrom(ip, port)); err == nil {
			return socket, at.Port(), nil
		}
	}
	return 0, 0, ftp.ErrTooMany
}

// announced is the address at which the session's client reaches a passive port.
func (w *world) announced(s *session, port uint16) netip.AddrPort {
	near := s.told && wasi.IsNear(s.peer.Addr())
	return wasi.Announced(s.local.Addr(), w.settings.Passive.Address, near, port)
}

// mostWaiting is how many connections to a passive port are accepted in one go.
const mostWaiting = 16

// Accept implements [ftp.Sockets]. A connection from another address than the client's is
// closed unread, and Accept goes on waiting. If two came from the client's address, one may
// be a thief's: both are closed.
func (w *world) Accept(h ftp.Handle) (ftp.Handle, error) {
	l, ok := w.objects[h].(*listener)
	if !ok {
		return 0, ftp.ErrStorage
	}
	came, err := w.arrived(l)
	switch len(came) {
	case 0:
		l.reading = err == ftp.ErrAgain
		return 0, err
	case 1:
		return w.data(l.session, came[0]).handle, nil
	}
	for _, socket := range came {
		w.network.Close(socket, true)
	}
	return 0, ftp.ErrBusy
}

// arrived accepts the connections that wait at a listener, and returns those from the
// client's address, or else the error that says why there are none.
func (w *world) arrived(l *listener) (came []Socket, err error) {
	err = ftp.ErrAgain
	for range mostWaiting {
		var socket Socket
		var peer netip.AddrPort
		socket, _, peer, err = w.network.Accept(l.socket)
		if err != nil {
			break
		}
		// A connection that was reset already has no peer address, and so is closed too. If
		// the client's address is unknown, the runtime tells none at all.
		if client := l.session.peer.Addr(); client.IsValid() && !wasi.IsClient(client, peer.Addr().Unmap()) {
			w.network.Close(socket, true)
			err = ftp.ErrAgain
			continue
		}
		came = append(came, socket)
	}
	return came, err
}

func (w *world) data(s *session, socket Socket) *dataConn {
	c := &dataConn{endpoint{socket: socket}}
	w.watch(&c.endpoint, s, w.add(c, s))
	return c
}

// Dial implements [ftp.Sockets].
func (w *world) Dial(h ftp.Handle, to netip.AddrPort) (ftp.Handle, error) {
	s, ok := w.objects[h].(*session)
	if !ok {
		return 0, ftp.ErrStorage
	}
	client := s.peer.Addr()
	to = wasi.Zoned(client, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	if to.Port() < wasi.LowestPort || !client.IsValid() || !wasi.IsClient(client, to.Addr()) {
		return 0, ftp.ErrPermission
	}
	socket, err := w.network.Dial(to)
	if err != nil {
		return 0, err
	}
	c := w.data(s, socket)
	c.dialling, c.writing = true, true
	return c.handle, nil
}
