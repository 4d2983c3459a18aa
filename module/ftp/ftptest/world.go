// Package ftptest is a world in memory for the engine: it has its own clock, byte queues
// for connections, a small tree of files, and clients. It checks the engine's calls, so
// that a test or a fuzzer that only talks FTP notices when a name leaves the root or a
// closed handle is used.
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

// All is every right on files.
const All = wasi.RightRead | wasi.RightList | wasi.RightWrite | wasi.RightDelete | wasi.RightRename | wasi.RightMkdir

// Account is what a user name in World.Accounts stands for.
type Account struct {
	Password string
	Rights   ftp.Rights
	Lacks    ftp.Abilities // what its files cannot do
}

// World is an [ftp.World] in memory with its engine and clients. It is for one goroutine.
// Its fields may be set at any time.
type World struct {
	Engine   *ftp.Engine
	Now      int64
	Accounts map[string]Account
	Files    map[string]*File // by name, relative to the root, which is not in it
	Server   netip.AddrPort   // the server's end of new control connections
	Peer     netip.AddrPort   // the client's end of new control connections

	Room    int // bytes that a connection takes before its client reads; 0 is no limit
	Segment int // most bytes that a read gives; 0 is no limit
	Page    int // entries of a directory that a call of ListNext yields; 0 is 100

	// Async, if not nil, makes every call that may wait do so, for a random number of
	// rounds.
	Async *rand.Rand

	// Fault, if not nil, is called before each call on files and accounts, and before
	// some on connections. An error that it returns is the call's answer.
	Fault func(call, name string) error

	// Broken lists the rules that the engine has broken.
	Broken []string

	// Attempts are the addresses that the engine has dialled, in order.
	Attempts []netip.AddrPort

	// Protected and Joined count the data connections under TLS: those on which the engine
	// is the TLS server, and those on which it is the TLS client.
	Protected, Joined int

	// Renamed, if not nil, is how Names converts a name; nil leaves it as it is.
	Renamed func(utf8 bool, name string) string

	handles   map[ftp.Handle]any
	last      ftp.Handle
	port      uint16
	next      int64 // when the engine wants its next step; 0 is never
	events    []ftp.Event
	sessions  []*session
	transfers []*openFile
	waiting   map[netip.AddrPort]*Listener // of clients
	plain     bool                         // the engine moves the bytes of files

	shortReads bool // of the engine's configuration
}

// NewWorld is a world with an engine and three accounts, all with the password "p": "u" has
// all rights on files, "ro" may only read and list, "admin" is also an administrator.
func NewWorld(config ftp.Config) *World {
	w := &World{
		Now: Start, Accounts: map[string]Account{
			"u": {Password: "p", Rights: All}, "ro": {Password: "p", Rights: wasi.RightRead | wasi.RightList},
			"admin": {Password: "p", Rights: All | wasi.RightAdmin},
		},
		Files: map[string]*File{}, Server: ServerAddress, Peer: ClientAddress,
		handles: map[ftp.Handle]any{}, port: 50000, waiting: map[netip.AddrPort]*Listener{},
		shortReads: config.ShortReads,
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
	program      []byte // what CLNT said
	asked        string // the call that waits, "" if none does
	rounds       int    // how many until its answer is there
}

func (w *World) broken(format string, args ...any) {
	w.Broken = append(w.Broken, fmt.Sprintf(format, args...))
}

func (w *World) newHandle(v any) ftp.Handle {
	w.last++
	w.handles[w.last] = v
	return w.last
}

// get is the object of a handle. A handle that has none of type T breaks a rule.
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

// Emit adds an event to the engine's next step.
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

// Round moves some bytes and steps the engine once, and reports false if there was nothing
// to do.
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

// answer counts down the rounds until sessions have the answers that they wait for.
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

// Advance lets time pass, and steps the engine at each time that it asked for.
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

// wait is the error of a call: ErrAgain while it has to wait, and then that of Fault, which
// gets args[0] as the name.
func (w *World) wait(s *session, call string, args ...any) error {
	key := fmt.Sprintf("%s %q", call, args)
	if w.Async != nil && (s.asked != key || s.rounds > 0) {
		if s.asked != key {
			s.asked, s.rounds = key, 1+w.Async.IntN(3)
		}
		return ftp.ErrAgain
	}
	s.asked = ""
	return w.fault(call, fmt.Sprint(args[0]))
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

// Logout takes the account from the session.
func (w *World) Logout(h ftp.Handle) {
	if s, ok := get[*session](w, "Logout", h); ok {
		s.account, s.user, s.umask = Account{}, "", nil
	}
}

// checkName checks that a name is as [ftp.Files] wants it.
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

// Names converts a name by Renamed.
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
