package standalone

import (
	"net/netip"
	"slices"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/module/ftp"
)

// world is an [ftp.World] of a Network and a directory.
type world struct {
	network  Network
	settings Settings
	dir      *fsbridge.Dir
	engine   *ftp.Engine
	began    time.Time
	wall     func() time.Time // time.Now, but in tests
	ahead    int64            // ns by which the wall clock is ahead of now, as the engine was told
	told     bool             // the engine was told of the wall clock

	last      ftp.Handle
	objects   map[ftp.Handle]object
	endpoints []*endpoint // of all sockets
	sessions  int
	ports     map[uint16]bool // passive ports in use
	hashing   []*openFile     // files that are being hashed
	piece     [hashPiece]byte // buffer for one of them

	events []ftp.Event
	list   []Interest  // for Network.Wait
	waited []*endpoint // the endpoints of list, in the same order
	resume int64       // when to accept again after a failure, in ns since 1970; 0 is at once
}

var (
	_ ftp.World   = (*world)(nil)
	_ ftp.Streams = (*world)(nil)
	_ ftp.Hasher  = (*world)(nil)
	_ ftp.Enterer = (*world)(nil)
)

// object is what a handle stands for.
type object interface {
	// end gives up what the object holds.
	end(w *world)
}

// endpoint is a socket. All but the listeners for control connections have a session and a
// handle.
type endpoint struct {
	socket   Socket
	session  *session
	handle   ftp.Handle
	reading  bool // EventReadable is owed
	writing  bool // EventWritable is owed
	dialling bool // EventWritable will tell the outcome of Dial
}

// session is a control connection.
type session struct {
	endpoint
	local, peer netip.AddrPort   // peer is not valid if the runtime does not tell it
	told        bool             // local is from the runtime
	files       *fsbridge.Access // nil before the login
	owned       []ftp.Handle     // closed with the session
}

// listener waits for a passive data connection.
type listener struct {
	endpoint
	port uint16
}

// dataConn is a data connection, or the attempt at an active one.
type dataConn struct{ endpoint }

func newWorld(network Network, settings Settings, dir *fsbridge.Dir) *world {
	w := &world{
		network: network, settings: settings, dir: dir, began: time.Now(), wall: time.Now,
		objects: map[ftp.Handle]object{}, ports: map[uint16]bool{},
	}
	if _, preopened := network.(Preopened); preopened {
		settings.Engine.PassiveOnly = true
	}
	w.engine = ftp.New(w, settings.Engine)
	return w
}

// add gives an object a handle and an owner, which is nil for a session.
func (w *world) add(o object, owner *session) ftp.Handle {
	w.last++
	w.objects[w.last] = o
	if owner != nil {
		owner.owned = append(owner.owned, w.last)
	}
	return w.last
}

// watch lets wait look after an endpoint.
func (w *world) watch(e *endpoint, owner *session, h ftp.Handle) {
	e.session, e.handle = owner, h
	w.endpoints = append(w.endpoints, e)
}

func (w *world) unwatch(e *endpoint, reset bool) {
	w.network.Close(e.socket, reset)
	w.endpoints = slices.DeleteFunc(w.endpoints, func(other *endpoint) bool { return other == e })
}

// Close implements [ftp.Sockets].
func (w *world) Close(h ftp.Handle) {
	o := w.objects[h]
	if o == nil {
		return
	}
	delete(w.objects, h)
	o.end(w)
}

func (s *session) end(w *world) {
	for len(s.owned) > 0 {
		h := s.owned[0]
		s.owned = s.owned[1:]
		w.Close(h)
	}
	w.unwatch(&s.endpoint, false)
	w.sessions--
}

func (l *listener) end(w *world) {
	l.session.disown(l.handle)
	w.unwatch(&l.endpoint, false)
	delete(w.ports, l.port)
}

func (c *dataConn) end(w *world) {
	c.session.disown(c.handle)
	w.unwatch(&c.endpoint, false)
}

func (s *session) disown(h ftp.Handle) {
	s.owned = slices.DeleteFunc(s.owned, func(other ftp.Handle) bool { return other == h })
}
