package standalone

import (
	"net/netip"
	"slices"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/module/ftp"
)

// world is the engine's, behind a Network and a directory.
type world struct {
	network  Network
	settings Settings
	dir      *fsbridge.Dir
	engine   *ftp.Engine
	began    time.Time
	wall     func() time.Time // time.Now, but in tests
	ahead    int64            // of now, in ns: where the engine believes people's clocks to be
	told     bool             // it was told so

	last      ftp.Handle
	objects   map[ftp.Handle]object
	endpoints []*endpoint // what is waited for at times
	sessions  int
	ports     map[uint16]bool // passive ports in use
	hashing   []*openFile     // files that are being hashed
	piece     [hashPiece]byte // of one of them

	events []ftp.Event
	list   []Interest  // what is waited for now
	waited []*endpoint // whose it is, in the same order
	resume int64       // when to accept again, after that failed; 0 for now
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

// endpoint is a socket that the engine has a handle of, or a listener for control
// connections, which it has not.
type endpoint struct {
	socket   Socket
	session  *session
	handle   ftp.Handle
	reading  bool // EventReadable is owed
	writing  bool // EventWritable is owed
	dialling bool // and that tells how dialling went
}

// session is a control connection.
type session struct {
	endpoint
	local, peer netip.AddrPort   // peer is not valid where the runtime does not tell
	told        bool             // local is what the runtime told
	files       *fsbridge.Access // nil until logged in
	owned       []ftp.Handle
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

// add gives an object a handle; owner is nil for a session.
func (w *world) add(o object, owner *session) ftp.Handle {
	w.last++
	w.objects[w.last] = o
	if owner != nil {
		owner.owned = append(owner.owned, w.last)
	}
	return w.last
}

// watch has an endpoint looked after.
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
