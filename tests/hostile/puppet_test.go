package hostile

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wasiftp/wasi"
)

// puppet is a session in the guest, which does what it is told to.
type puppet struct {
	t       *testing.T
	stage   *stage
	conn    net.Conn
	lines   *bufio.Reader
	session uint64
	scratch uint64
	size    uint64
	heard   []wasi.Event
}

// Places in the guest's scratch memory.
const (
	resultAt  = 0    // what an import returns through its first pointer
	result2At = 64   // and through its second
	textAt    = 1024 // bytes that an import reads
	textSize  = 16 << 10
	bufferAt  = textAt + textSize
)

func (s *stage) puppet() *puppet {
	s.t.Helper()
	p := &puppet{t: s.t, stage: s, conn: s.connect()}
	p.lines = bufio.NewReader(p.conn)
	if _, err := fmt.Sscanf(p.line(), "hello %d %d %d", &p.session, &p.scratch, &p.size); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// send makes the guest do something, without waiting for it.
func (p *puppet) send(format string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.conn, format+"\n", args...); err != nil {
		p.t.Fatal(err)
	}
}

// line is what the guest says next, be it an event or an answer.
func (p *puppet) line() string {
	p.t.Helper()
	line, err := p.lines.ReadString('\n')
	if err != nil {
		p.t.Fatalf("the guest says no more: %v\n%s", err, p.stage.log)
	}
	return strings.TrimRight(line, "\r\n")
}

// answer is what the guest says to a line. Events on the way are kept.
func (p *puppet) answer(format string, args ...any) string {
	p.t.Helper()
	p.send(format, args...)
	return p.reply()
}

func (p *puppet) reply() string {
	p.t.Helper()
	for {
		line := p.line()
		if !strings.HasPrefix(line, "event ") {
			return line
		}
		p.hear(line)
	}
}

func (p *puppet) hear(line string) {
	p.t.Helper()
	var e wasi.Event
	if _, err := fmt.Sscanf(line, "event %d %d %d %d %d", &e.Kind, &e.Errno, &e.Session, &e.Handle, &e.Value); err != nil {
		p.t.Fatalf("%q: %v", line, err)
	}
	p.heard = append(p.heard, e)
}

// event waits for an event of a kind for a handle, or for the session with
// handle 0.
func (p *puppet) event(kind uint16, handle uint64) wasi.Event {
	p.t.Helper()
	for {
		for i, e := range p.heard {
			if e.Kind == kind && uint64(e.Handle) == handle {
				p.heard = slices.Delete(p.heard, i, i+1)
				return e
			}
		}
		line := p.line()
		if !strings.HasPrefix(line, "event ") {
			p.t.Fatalf("%q came, instead of an event", line)
		}
		p.hear(line)
	}
}

// raw makes an import once, with these numbers.
func (p *puppet) raw(n int, args ...uint64) wasi.Errno {
	p.t.Helper()
	return p.errno(p.answer("call %s", numbers(n, args)))
}

func (p *puppet) errno(answer string) wasi.Errno {
	p.t.Helper()
	var errno wasi.Errno
	if _, err := fmt.Sscanf(answer, "errno %d", &errno); err != nil {
		p.t.Fatalf("%q is no errno\n%s", answer, p.stage.log)
	}
	return errno
}

func numbers(n int, args []uint64) string {
	words := []string{strconv.Itoa(n)}
	for _, a := range args {
		words = append(words, strconv.FormatUint(a, 10))
	}
	return strings.Join(words, " ")
}

// call makes an import; when it has to wait, again until it is answered.
func (p *puppet) call(n int, args ...uint64) wasi.Errno {
	p.t.Helper()
	for {
		errno := p.raw(n, args...)
		if errno != wasi.EAGAIN {
			return errno
		}
		p.event(wasi.EventReady, 0)
	}
}

// must makes an import that succeeds, and returns the number at resultAt.
func (p *puppet) must(n int, args ...uint64) uint64 {
	p.t.Helper()
	if errno := p.call(n, args...); errno != wasi.OK {
		p.t.Fatalf("%s: %v", wasi.Table[n].Name, errno)
	}
	return p.number(resultAt)
}

// number is the u32 at an offset of the scratch memory.
func (p *puppet) number(offset uint64) uint64 {
	b := p.peek(offset, 4)
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24
}

func (p *puppet) peek(offset, size uint64) []byte {
	p.t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(p.answer("peek %d %d", p.at(offset), size), "bytes "))
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

func (p *puppet) poke(offset uint64, b []byte) {
	p.t.Helper()
	if len(b) > 0 {
		p.answer("poke %d %x", p.at(offset), b)
	}
}

func (p *puppet) at(offset uint64) uint64 { return p.scratch + offset }

// text puts bytes where imports can read them, and gives the two arguments that
// say so.
func (p *puppet) text(s string) []uint64 {
	p.t.Helper()
	p.poke(textAt, []byte(s))
	return []uint64{p.at(textAt), uint64(len(s))}
}

// named makes an import whose first parameters are a session and a name.
func (p *puppet) named(n int, name string, rest ...uint64) wasi.Errno {
	p.t.Helper()
	return p.call(n, slices.Concat([]uint64{p.session}, p.text(name), rest)...)
}

// login logs the session in.
func (p *puppet) login() {
	p.t.Helper()
	p.poke(textAt, []byte("usersecret"))
	p.must(wasi.AuthCheck, p.session, p.at(textAt), 4, p.at(textAt+4), 6, p.at(resultAt))
}

// open opens a file and returns its handle.
func (p *puppet) open(name string, flags uint64) uint64 {
	p.t.Helper()
	if errno := p.named(wasi.FileOpen, name, flags, 0, p.at(resultAt), p.at(result2At)); errno != wasi.OK {
		p.t.Fatalf("file_open %q: %v", name, errno)
	}
	return p.number(resultAt)
}

// list opens the root directory and returns its handle.
func (p *puppet) list() uint64 {
	p.t.Helper()
	if errno := p.named(wasi.FileList, ".", 0, p.at(resultAt)); errno != wasi.OK {
		p.t.Fatalf("file_list: %v", errno)
	}
	return p.number(resultAt)
}

// listen opens a passive port and returns its handle and its address.
func (p *puppet) listen() (handle uint64, address string) {
	p.t.Helper()
	handle = p.must(wasi.NetListen, p.session, 0, p.at(resultAt), p.at(result2At))
	return handle, wasi.GetAddr(p.peek(result2At, wasi.AddrSize)).String()
}

// data opens a data connection, and returns its handle and the client's end.
func (p *puppet) data() (handle uint64, conn net.Conn) {
	p.t.Helper()
	listener, address := p.listen()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	p.event(wasi.EventReadable, listener)
	handle = p.must(wasi.NetAccept, listener, p.at(resultAt))
	p.must(wasi.HandleClose, listener)
	return handle, conn
}

// memoryEnd finds the size of the guest's memory. It asks with pointers only
// that are never written to.
func (p *puppet) memoryEnd() uint64 {
	p.t.Helper()
	low, high := p.at(0), uint64(1)<<32
	for low+1 < high {
		middle := (low + high) / 2
		if p.raw(wasi.FileMkdir, 0, middle-1, 1) == wasi.EFAULT {
			high = middle
		} else {
			low = middle
		}
	}
	return low
}

// ends waits for the session to be ended by the host: with 421 where that can be
// sent.
func (p *puppet) ends() {
	p.t.Helper()
	rest, err := io.ReadAll(p.lines)
	if err != nil {
		p.t.Fatalf("the session does not end: %v\n%s", err, p.stage.log)
	}
	if !strings.Contains(string(rest), "421 ") {
		p.t.Errorf("the session ends with %q, not with 421", rest)
	}
}

// lives makes sure that the session is served.
func (p *puppet) lives() {
	p.t.Helper()
	if errno := p.raw(wasi.NetAddress, p.session, wasi.Peer, p.at(resultAt)); errno != wasi.OK {
		p.t.Fatalf("a session that has nothing to do with it: net_address %v", errno)
	}
	if at := wasi.GetAddr(p.peek(resultAt, wasi.AddrSize)).String(); at != p.conn.LocalAddr().String() {
		p.t.Fatalf("the session's client is %s, the guest hears %s", p.conn.LocalAddr(), at)
	}
}
