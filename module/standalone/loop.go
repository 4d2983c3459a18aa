package standalone

import (
	"net/netip"

	"wasiftp/module/ftp"
)

// step runs the engine for the events so far, and then waits for the next ones.
func (w *world) step() {
	now := w.now()
	w.tellClock(now)
	next := w.engine.Step(now, w.events)
	w.events = w.events[:0]
	w.wait(next)
	w.hash()
}

// wait waits until a socket is ready, until next at most, and posts the events. next is in
// ns since 1970; 0 means without limit.
func (w *world) wait(next int64) {
	now := w.now()
	if w.resume != 0 && (next == 0 || w.resume < next) {
		next = w.resume
	}
	if w.resume <= now {
		w.resume = 0
	}
	timeout := int64(-1)
	switch {
	case len(w.hashing) > 0:
		timeout = 0
	case next != 0:
		timeout = max(next-now, 0)
	}
	w.list, w.waited = w.list[:0], w.waited[:0]
	for _, e := range w.endpoints {
		if e.reading && (e.session != nil || w.resume == 0) || e.writing {
			w.list = append(w.list, Interest{Socket: e.socket, Readable: e.reading, Writable: e.writing})
			w.waited = append(w.waited, e)
		}
	}
	w.network.Wait(w.list, timeout)
	for i := range w.list {
		if w.list[i].Ready {
			w.ready(w.waited[i])
		}
	}
}

// ready posts the events of an endpoint that is ready.
func (w *world) ready(e *endpoint) {
	if e.session == nil {
		w.admit(e)
		return
	}
	if e.reading {
		e.reading = false
		w.event(ftp.EventReadable, e, nil)
	}
	if !e.writing {
		return
	}
	var err error
	if e.dialling {
		if err = w.network.Connected(e.socket); err == ftp.ErrAgain {
			return
		}
		e.dialling = false
	}
	e.writing = false
	w.event(ftp.EventWritable, e, err)
}

func (w *world) event(kind ftp.EventKind, e *endpoint, err error) {
	w.events = append(w.events, ftp.Event{Kind: kind, Session: e.session.handle, Handle: e.handle, Err: err})
}

const (
	mostAtOnce  = 64          // control connections that are accepted in one go
	acceptPause = 100_000_000 // ns without accepting after a failure: no descriptor is left
)

// admit accepts the control connections that wait at a listener.
func (w *world) admit(e *endpoint) {
	for range mostAtOnce {
		socket, local, peer, err := w.network.Accept(e.socket)
		switch {
		case err == ftp.ErrAgain:
			return
		case err != nil:
			w.resume = w.now() + acceptPause
			return
		case w.settings.MaxSessions > 0 && w.sessions >= w.settings.MaxSessions:
			w.network.Write(socket, []byte("421 Too many connections, try again later.\r\n"))
			w.network.Close(socket, false)
		default:
			w.open(socket, local, peer)
		}
	}
}

// open begins a session. If the runtime does not tell the local address, it is taken to be
// the one that passive data connections come to.
func (w *world) open(socket Socket, local, peer netip.AddrPort) {
	s := &session{endpoint: endpoint{socket: socket}, told: local.IsValid(), local: unmapped(local), peer: unmapped(peer)}
	if at := w.settings.Listen[0]; !s.told {
		s.local = unmapped(at)
		if public := w.settings.Passive.Address; public.IsValid() {
			s.local = netip.AddrPortFrom(public, at.Port())
		}
	}
	w.sessions++
	w.watch(&s.endpoint, s, w.add(s, nil))
	w.events = append(w.events, ftp.Event{Kind: ftp.EventOpen, Session: s.handle})
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
