// Package ftptest is a world for the engine that lives in memory: its own clock,
// byte queues for connections, a small tree of files, and clients at the far end.
// It checks what the engine asks of it, so that a test or a fuzzer that only
// talks FTP notices when a name leaves the root or a closed handle is used.
package ftptest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

// The addresses at the two ends of a control connection, unless a test sets others.
var (
	ServerAddress = netip.MustParseAddrPort("192.0.2.1:21")
	ClientAddress = netip.MustParseAddrPort("192.0.2.7:40000")
)

// Start is the time at which a world begins: 2024-06-01 12:00:00 UTC, in ns.
const Start int64 = 1717243200_000000000

// All is every right on files there is.
const All = wasi.RightRead | wasi.RightList | wasi.RightWrite | wasi.RightDelete | wasi.RightRename | wasi.RightMkdir

// Account is who may log in.
type Account struct {
	Password string
	Rights   ftp.Rights
	Lacks    ftp.Abilities // what its files cannot do
}

// World is an [ftp.World] in memory, and all that lies around it. It is for one
// goroutine. Its fields may be set before the first connection and, where a test
// wants that, later.
type World struct {
	Engine   *ftp.Engine
	Now      int64
	Accounts map[string]Account
	Files    map[string]*File // by name, as the engine says it; the root is not in it
	Server   netip.AddrPort   // our end of new control connections
	Peer     netip.AddrPort   // the client's end of new control connections

	Room    int // bytes a connection takes before its client reads; 0 is no limit
	Segment int // most bytes a read gives; 0 is no limit
	Page    int // entries of a directory given at a time; 0 is 100

	// Async, if not nil, has every call that may wait do so, for a random while.
	Async *rand.Rand

	// Fault, if not nil, is asked before each call on files and accounts, and
	// before some on connections; what it returns other than nil is that call's
	// answer.
	Fault func(call, name string) error

	// Broken lists what the engine should not have done.
	Broken []string

	// Attempts are the addresses that were dialled, in order.
	Attempts []netip.AddrPort

	// Protected and Joined are how many data connections went under TLS, with us
	// as the server and as the client.
	Protected, Joined int

	// Renamed, if not nil, is what [ftp.Namer] makes of a name; nil leaves it.
	Renamed func(utf8 bool, name string) string

	handles   map[ftp.Handle]any
	last      ftp.Handle
	port      uint16
	next      int64
	events    []ftp.Event
	sessions  []*session
	transfers []*openFile
	waiting   map[netip.AddrPort]*Listener // of clients
	plain     bool                         // the engine moves the bytes of files
}

// NewWorld is a world with account "u", password "p", all rights, and an engine.
func NewWorld(config ftp.Config) *World {
	w := &World{
		Now: Start, Accounts: map[string]Account{
			"u": {Password: "p", Rights: All}, "ro": {Password: "p", Rights: wasi.RightRead | wasi.RightList},
			"admin": {Password: "p", Rights: All | wasi.RightAdmin},
		},
		Files: map[string]*File{}, Server: ServerAddress, Peer: ClientAddress,
		handles: map[ftp.Handle]any{}, port: 50000, waiting: map[netip.AddrPort]*Listener{},
	}
	w.Engine = ftp.New(w, config)
	return w
}

// session is the world's side of a control connection.
type session struct {
	*conn
	server, peer netip.AddrPort
	account      Account // the zero value before the login
	user         string
	umask        *uint32 // nil for none
	began        int64
	asked        string // the call under way
	rounds       int    // until its answer is there
}

func (w *World) broken(format string, args ...any) {
	w.Broken = append(w.Broken, fmt.Sprintf(format, args...))
}

func (w *World) newHandle(v any) ftp.Handle {
	w.last++
	w.handles[w.last] = v
	return w.last
}

// get finds what a handle stands for.
func get[T any](w *World, call string, h ftp.Handle) (v T, ok bool) {
	v, ok = w.handles[h].(T)
	if !ok {
		w.broken("%s: bad handle %d", call, h)
	}
	return v, ok
}

func (w *World) event(kind ftp.EventKind, owner, h ftp.Handle, err error, bytes uint64) {
	w.events = append(w.events, ftp.Event{Kind: kind, Session: owner, Handle: h, Err: err, Bytes: bytes})
}

// Emit gives the engine an event of a test's own with the next step.
func (w *World) Emit(event ftp.Event) { w.events = append(w.events, event) }

// Run steps the engine until nothing more happens at this time.
func (w *World) Run() {
	for range 1_000_000 {
		if !w.Round() {
			return
		}
	}
	panic("ftptest: the engine does not come to rest")
}

// Round lets the network, the storage and the engine do a little, and reports
// false when there was nothing to do.
func (w *World) Round() bool {
	busy := w.answer()
	for _, t := range slices.Clone(w.transfers) {
		busy = w.move(t) || busy
	}
	if len(w.events) == 0 && (w.next == 0 || w.next > w.Now) {
		return busy
	}
	events := w.events
	w.events = nil
	w.next = w.Engine.Step(w.Now, events)
	return true
}

// answer brings the answers nearer that sessions wait for.
func (w *World) answer() (busy bool) {
	for _, s := range w.sessions {
		if s.asked == "" || s.rounds == 0 {
			continue
		}
		busy = true
		if s.rounds--; s.rounds == 0 {
			w.event(ftp.EventReady, s.handle, 0, nil, 0)
		}
	}
	return busy
}

// Advance lets time pass, waking the engine whenever it wants that.
func (w *World) Advance(ns int64) {
	end := w.Now + ns
	w.Run()
	for w.next != 0 && w.next <= end {
		w.Now = max(w.Now, w.next)
		w.Run()
	}
	w.Now = end
	w.Run()
}

// Held is how many handles the engine holds.
func (w *World) Held() int { return len(w.handles) }

// wait reports whether a call has to wait, and when it has, its answer.
func (w *World) wait(s *session, call string, args ...any) error {
	key := fmt.Sprintf("%s %q", call, args)
	if w.Async != nil && (s.asked != key || s.rounds > 0) {
		if s.asked != key {
			s.asked, s.rounds = key, 1+w.Async.IntN(3)
		}
		return ftp.ErrAgain
	}
	s.asked = ""
	name := ""
	if w.Fault != nil && len(args) > 0 {
		name = fmt.Sprint(args[0])
	}
	return w.fault(call, name)
}

func (w *World) fault(call, name string) error {
	if w.Fault == nil {
		return nil
	}
	return w.Fault(call, name)
}

// Login checks the credentials.
func (w *World) Login(h ftp.Handle, user, password []byte) (ftp.Rights, ftp.Abilities, error) {
	s, ok := get[*session](w, "Login", h)
	if !ok {
		return 0, 0, ftp.ErrStorage
	}
	if err := w.wait(s, "Login", string(user), string(password)); err != nil {
		return 0, 0, err
	}
	account, ok := w.Accounts[string(user)]
	if !ok || account.Password != string(password) {
		return 0, 0, ftp.ErrPermission
	}
	s.account, s.user, s.umask = account, string(user), nil
	return account.Rights, math.MaxUint32 &^ account.Lacks, nil
}

// Logout takes the rights away.
func (w *World) Logout(h ftp.Handle) {
	if s, ok := get[*session](w, "Logout", h); ok {
		s.account, s.user, s.umask = Account{}, "", nil
	}
}

// checkName notes a name that is not as [ftp.Files] wants it.
func (w *World) checkName(call string, name []byte) {
	text := string(name)
	if text == "." {
		return
	}
	for element := range strings.SplitSeq(text, "/") {
		if element == "" || element == "." || element == ".." || strings.ContainsRune(element, 0) {
			w.broken("%s: bad name %q", call, name)
			return
		}
	}
}

// Names has names be others, if the test wants that.
func (w *World) Names(h ftp.Handle, utf8 bool, name, b []byte) ([]byte, error) {
	if _, ok := get[*session](w, "Names", h); !ok {
		return nil, ftp.ErrStorage
	}
	if err := w.fault("Names", string(name)); err != nil {
		return nil, err
	}
	if w.Renamed == nil {
		return append(b, name...), nil
	}
	text := w.Renamed(utf8, string(name))
	if len(text) > cap(b)-len(b) {
		return nil, ftp.ErrName
	}
	return append(b, text...), nil
}

// Host knows all hosts of example.org.
func (w *World) Host(h ftp.Handle, name []byte) error {
	if _, ok := get[*session](w, "Host", h); !ok {
		return ftp.ErrStorage
	}
	if text := string(name); text != "" && !strings.HasSuffix(text, "example.org") {
		return ftp.ErrNotExist
	}
	return nil
}
