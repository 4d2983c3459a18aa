package kit

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"wasiftp/wasi"
)

// T has the methods of a [testing.T] that a check calls. Fatalf and Skipf do not return.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Cleanup(f func())
}

// Puppet is the client's end of a session of the kit's module. Its methods have the module
// call imports, and read and write its memory.
type Puppet struct {
	T        T
	Conn     net.Conn
	Session  uint64 // its handle
	Scratch  uint64 // the address of memory that imports may read and write
	Size     uint64 // the size of that memory in bytes
	Instance uint64 // a number that differs between instances of the module
	Value    uint64 // of its EventOpen

	patience time.Duration // how long to wait for an answer, an event or a connection
	lines    *bufio.Reader
	heard    []wasi.Event // not yet asked for
	woke     []int64      // the times of the steps that "wake" asked for
}

// Offsets in the module's scratch memory.
const (
	ResultAt  = 0    // the first result of an import
	Result2At = 64   // the second result
	TextAt    = 1024 // bytes that an import reads
	textSize  = 16 << 10
	BufferAt  = TextAt + textSize // bytes that an import writes
)

// NewPuppet reads the module's greeting from conn, a new control connection.
func NewPuppet(t T, conn net.Conn) *Puppet {
	t.Helper()
	p := &Puppet{T: t, Conn: conn, lines: bufio.NewReader(conn), patience: defaultPatience}
	line, err := p.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("no greeting: %v. A new control connection is an EventOpen, for which ftp_step is called; the "+
			"module answers by net_write", err)
	}
	if n, err := fmt.Sscanf(line, "hello %d %d %d %d %d", &p.Session, &p.Scratch, &p.Size, &p.Instance,
		&p.Value); err != nil || n < 5 {
		t.Fatalf("%q is not the greeting of the kit's module (%v): does the host run another module?", line, err)
	}
	return p
}

// Send sends lines to the module, and does not wait for the answers.
func (p *Puppet) Send(format string, args ...any) {
	p.T.Helper()
	if _, err := fmt.Fprintf(p.Conn, format+"\n", args...); err != nil {
		p.T.Fatalf("the control connection: %v", err)
	}
}

// Line is the next line of the module, an event or an answer.
func (p *Puppet) Line() string {
	p.T.Helper()
	line, err := p.lines.ReadString('\n')
	if err != nil {
		p.T.Fatalf("no line comes from the module: %v", err)
	}
	return strings.TrimRight(line, "\r\n")
}

// Rest is all that comes until the control connection ends.
func (p *Puppet) Rest() (string, error) {
	var b strings.Builder
	_, err := p.lines.WriteTo(&b)
	return b.String(), err
}

// Answer sends a line to the module, and returns its answer. Events that come before the
// answer are kept for [Puppet.Event].
func (p *Puppet) Answer(format string, args ...any) string {
	p.T.Helper()
	p.Send(format, args...)
	return p.Reply()
}

// Reply is the module's next line that is an answer. Events before it are kept.
func (p *Puppet) Reply() string {
	p.T.Helper()
	for {
		if line := p.Line(); !p.hear(line) {
			return line
		}
	}
}

// hear keeps a line that is an event, or "woke". It is false for an answer.
func (p *Puppet) hear(line string) bool {
	p.T.Helper()
	var e wasi.Event
	var now int64
	switch word, _, _ := strings.Cut(line, " "); word {
	case "event":
		if _, err := fmt.Sscanf(line, "event %d %d %d %d %d", &e.Kind, &e.Errno, &e.Session, &e.Handle, &e.Value); err != nil {
			p.T.Fatalf("%q: %v", line, err)
		}
		p.heard = append(p.heard, e)
	case "woke":
		fmt.Sscanf(line, "woke %d", &now)
		p.woke = append(p.woke, now)
	default:
		return false
	}
	return true
}

// await reads events until holds is true. Any other line ends the check.
func (p *Puppet) await(holds func() bool) {
	p.T.Helper()
	for !holds() {
		if line := p.Line(); !p.hear(line) {
			p.T.Fatalf("%q came instead of an event", line)
		}
	}
}

// Event waits for an event of a kind for a handle. With handle 0, it waits for an event of
// the session, for whatever handle.
func (p *Puppet) Event(kind uint16, handle uint64) (found wasi.Event) {
	p.T.Helper()
	p.await(func() bool {
		at := slices.IndexFunc(p.heard, func(e wasi.Event) bool {
			return e.Kind == kind && (uint64(e.Handle) == handle || handle == 0 && uint64(e.Session) == p.Session)
		})
		if at >= 0 {
			found = p.heard[at]
			p.heard = slices.Delete(p.heard, at, at+1)
		}
		return at >= 0
	})
	return found
}

// once checks that no second event of a kind has come.
func (p *Puppet) once(kind uint16) {
	p.T.Helper()
	p.life() // the answer comes after all events up to now
	if slices.ContainsFunc(p.heard, func(e wasi.Event) bool { return e.Kind == kind }) {
		p.T.Errorf("the event came twice")
	}
}

// Forget drops the events that have come and were not asked for.
func (p *Puppet) Forget() { p.heard = nil }

// Raw calls import n once, with these numbers.
func (p *Puppet) Raw(n int, args ...uint64) wasi.Errno {
	p.T.Helper()
	return p.Errno(p.Answer("call %s", Numbers(n, args...)))
}

// Errno is the errno in an answer to a call.
func (p *Puppet) Errno(answer string) wasi.Errno {
	p.T.Helper()
	var errno wasi.Errno
	if _, err := fmt.Sscanf(answer, "errno %d", &errno); err != nil {
		p.T.Fatalf("%q is no errno", answer)
	}
	return errno
}

// Numbers are import n and its arguments, as the words of a line.
func Numbers(n int, args ...uint64) string {
	words := []string{strconv.Itoa(n)}
	for _, a := range args {
		words = append(words, strconv.FormatUint(a, 10))
	}
	return strings.Join(words, " ")
}

// Call calls import n. If that may wait and is EAGAIN, it waits for EventReady and calls
// again.
func (p *Puppet) Call(n int, args ...uint64) wasi.Errno {
	p.T.Helper()
	for {
		errno := p.Raw(n, args...)
		if errno != wasi.EAGAIN || !waits(wasi.Table[n]) {
			return errno
		}
		p.Event(wasi.EventReady, 0)
	}
}

// Must calls import n, which must succeed, and returns the number at ResultAt.
func (p *Puppet) Must(n int, args ...uint64) uint64 {
	p.T.Helper()
	p.succeed(n, p.Call(n, args...))
	return p.Number(ResultAt)
}

// skipAbsent skips the check when errno says that the host does not offer import n, and it
// need not.
func (p *Puppet) skipAbsent(n int, errno wasi.Errno) {
	p.T.Helper()
	if errno == wasi.ENOSYS && Optional(n) {
		p.T.Skipf(NotOffered+"%s is ENOSYS", wasi.Table[n].Name)
	}
}

// succeed ends the check when import n has failed.
func (p *Puppet) succeed(n int, errno wasi.Errno) {
	p.T.Helper()
	p.skipAbsent(n, errno)
	if errno != wasi.OK {
		p.T.Fatalf("%s: %v, not OK", wasi.Table[n].Name, errno)
	}
}

// Number is the u32 at an offset of the scratch memory.
func (p *Puppet) Number(offset uint64) uint64 {
	p.T.Helper()
	return uint64(binary.LittleEndian.Uint32(p.Peek(offset, 4)))
}

// Peek reads the scratch memory.
func (p *Puppet) Peek(offset, size uint64) []byte {
	p.T.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(p.Answer("peek %d %d", p.At(offset), size), "bytes "))
	if err != nil {
		p.T.Fatalf("peek: %v", err)
	}
	return b
}

// Poke writes the scratch memory.
func (p *Puppet) Poke(offset uint64, b []byte) {
	p.T.Helper()
	if len(b) > 0 {
		p.Answer("poke %d %x", p.At(offset), b)
	}
}

// At is the address of an offset of the scratch memory.
func (p *Puppet) At(offset uint64) uint64 { return p.Scratch + offset }

// Text puts bytes at TextAt, and returns pointer and length as arguments of an import.
func (p *Puppet) Text(s string) []uint64 {
	p.T.Helper()
	p.Poke(TextAt, []byte(s))
	return []uint64{p.At(TextAt), uint64(len(s))}
}

// Named calls an import whose first parameters are a session and a name.
func (p *Puppet) Named(n int, name string, rest ...uint64) wasi.Errno {
	p.T.Helper()
	return p.Call(n, slices.Concat([]uint64{p.Session}, p.Text(name), rest)...)
}

// MustNamed is Named of an import that must succeed. It returns the number at ResultAt.
func (p *Puppet) MustNamed(n int, name string, rest ...uint64) uint64 {
	p.T.Helper()
	p.succeed(n, p.Named(n, name, rest...))
	return p.Number(ResultAt)
}

// Login logs the session in.
func (p *Puppet) Login(user, password string) wasi.Errno {
	p.T.Helper()
	p.Poke(TextAt, []byte(user+password))
	return p.Call(wasi.AuthLogin, p.Session, p.At(TextAt), uint64(len(user)), p.At(TextAt+uint64(len(user))),
		uint64(len(password)), p.At(ResultAt), p.At(Result2At))
}

// Logout logs the session out.
func (p *Puppet) Logout() {
	p.T.Helper()
	p.succeed(wasi.AuthLogin, p.Login("", ""))
}

// Open opens a file and returns its handle.
func (p *Puppet) Open(name string, flags, offset uint64) uint64 {
	p.T.Helper()
	return p.MustNamed(wasi.FileOpen, name, flags, offset, p.At(ResultAt), p.At(Result2At))
}

// List opens a directory and returns its handle.
func (p *Puppet) List(name string, flags uint64) uint64 {
	p.T.Helper()
	return p.Open(name, wasi.OpenDir|flags, 0)
}

// Listen opens a passive port and returns its handle and its address.
func (p *Puppet) Listen() (handle uint64, at netip.AddrPort) {
	p.T.Helper()
	handle = p.Must(wasi.NetListen, p.Session, 0, p.At(ResultAt), p.At(Result2At))
	return handle, wasi.GetAddr(p.Peek(Result2At, wasi.AddrSize))
}

// awaits asks for the connection to a port to which nobody has come, so that an event will
// tell of it.
func (p *Puppet) awaits(listener uint64) {
	p.T.Helper()
	if errno := p.Call(wasi.NetAccept, listener, p.At(ResultAt)); errno != wasi.EAGAIN {
		p.T.Errorf("net_accept before anybody came: %v, not EAGAIN", errno)
	}
}

// Data opens a passive data connection, and returns its handle and the client's end.
func (p *Puppet) Data() (handle uint64, conn *net.TCPConn) {
	p.T.Helper()
	listener, address := p.Listen()
	p.awaits(listener)
	conn = p.connect(address)
	p.Event(wasi.EventReadable, listener)
	handle = p.Must(wasi.NetAccept, listener, p.At(ResultAt))
	p.Must(wasi.HandleClose, listener)
	return handle, conn
}

// transfer starts the transfer of a file over a new data connection, and returns the
// client's end.
func (p *Puppet) transfer(file, flags, length uint64) *net.TCPConn {
	p.T.Helper()
	conn, client := p.Data()
	p.Must(wasi.TransferStart, file, conn, flags, length)
	return client
}

// connect opens the client's end of a data connection.
func (p *Puppet) connect(to netip.AddrPort) *net.TCPConn {
	p.T.Helper()
	conn, err := net.DialTimeout("tcp", to.String(), p.patience)
	if err != nil {
		p.T.Fatalf("no connection to the port that net_listen announced: %v", err)
	}
	p.T.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(p.patience))
	return conn.(*net.TCPConn)
}

// Dial calls net_dial.
func (p *Puppet) Dial(to netip.AddrPort) wasi.Errno {
	p.T.Helper()
	var record [wasi.AddrSize]byte
	wasi.PutAddr(record[:], to)
	p.Poke(TextAt, record[:])
	return p.Raw(wasi.NetDial, p.Session, p.At(TextAt), p.At(ResultAt))
}

// secure makes the client's handshake on the control connection, after net_tls.
func (p *Puppet) secure(config *tls.Config) error {
	conn := tls.Client(p.Conn, config)
	if err := conn.Handshake(); err != nil {
		return err
	}
	p.Conn = conn
	p.lines.Reset(conn)
	return nil
}

// MemoryEnd is the size of the module's memory in bytes.
func (p *Puppet) MemoryEnd() uint64 {
	p.T.Helper()
	var pages uint64
	if _, err := fmt.Sscanf(p.Answer("pages"), "pages %d", &pages); err != nil {
		p.T.Fatalf("pages: %v", err)
	}
	return pages << 16
}

// life tells how the host has called the module's exports; package puppet has the meaning
// of the fields.
type life struct {
	initialized, starts, size, steps uint64
	now, clock                       int64
	backwards, short, early          uint64
}

func (p *Puppet) life() life {
	p.T.Helper()
	return p.lifeOf(p.Answer("life"))
}

func (p *Puppet) lifeOf(answer string) (l life) {
	p.T.Helper()
	if _, err := fmt.Sscanf(answer, "life %d %d %d %d %d %d %d %d %d",
		&l.initialized, &l.starts, &l.size, &l.steps, &l.now, &l.backwards, &l.short, &l.early, &l.clock); err != nil {
		p.T.Fatalf("%q: %v", answer, err)
	}
	return l
}
