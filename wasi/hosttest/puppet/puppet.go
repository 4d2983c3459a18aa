//go:build wasip1

// Package puppet is an engine that serves no FTP but does what its client tells
// it to: it makes any call of the boundary with any numbers. What it should have
// seen is for the client to say.
//
// It greets a session by "hello SESSION SCRATCH SIZE INSTANCE VALUE", the last being
// that of EventOpen, and then answers a line with a line:
//
//	call N ARGS...    makes import N of the table: "errno E"
//	poke ADDRESS HEX  writes memory: "ok"
//	peek ADDRESS SIZE reads memory: "bytes HEX"
//	grow SIZE         takes memory that imports may read and write: "grown ADDRESS"
//	pages             how large the memory is: "pages N", of 64 KiB
//	watch SESSION     that session's events are told to this one, and what it sends
//	                  is left for import calls to read: "ok"
//	sip N             events are taken N at a time, 0 for as many as there are: "ok"
//	next TIME         is what every step returns from now on: "ok"
//	wake TIME         is what every step returns until it is that late, which is
//	                  told as "woke NOW": "ok"
//	life              what became of the exports: "life INITIALIZED STARTS SIZE STEPS NOW BACKWARDS SHORT EARLY CLOCK",
//	                  the last being what EventClock said last, 0 for nothing
//	panic             traps
//
// An event that brings no line is told as "event KIND ERRNO SESSION HANDLE VALUE".
package puppet

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"unsafe"

	"wasiftp/wasi"
)

// What a program that has more lines of its own may use.
var (
	// Verbs are lines by their first word.
	Verbs = map[string]func(session uint32, words []string){}

	Scratch [256 << 10]byte // where the client puts what imports read and write
	Next    int64           // what every step returns
	Deaf    bool            // takes no more events
)

var (
	records  [64 * wasi.EventSize]byte
	sip      uint32
	input    [512]byte
	count    uint32
	instance = rand.Uint32()
	sessions = map[uint32]*session{}
	grown    [][]byte

	waker uint32 // the session that wants to be told of the time
	wake  int64
)

// session is a control connection.
type session struct {
	begun   string // a line that is not yet whole
	unsent  []byte
	watcher uint32 // the session that is told of its events, 0 for itself
}

// life is what became of the exports.
var life struct {
	initialized, starts, size, steps uint64
	now                              int64
	backwards                        uint64 // steps whose time was before the last one's
	short                            uint64 // steps in which fewer events came than were told of
	clock                            uint64 // what EventClock said last
	early                            uint64 // steps before the start, and events of a session before it opened
}

func init() { life.initialized++ }

// Address is where something is in memory, as imports have it.
func Address(p unsafe.Pointer) uint64 { return uint64(uintptr(p)) }

// Start is the export ftp_start. It gives the configuration, if that is one.
func Start(size uint32) (config wasi.Config, ok bool) {
	life.starts++
	life.size = uint64(size)
	Import(wasi.ConfigRead, Address(unsafe.Pointer(&Scratch)), uint64(len(Scratch)), Address(unsafe.Pointer(&count)))
	return wasi.GetConfig(Scratch[:min(int(size), len(Scratch))])
}

// Step is the export ftp_step.
func Step(now int64, waiting uint32) int64 {
	life.steps++
	if life.starts != 1 {
		life.early++
	}
	if now < life.now {
		life.backwards++
	}
	life.now = now
	if !Deaf && waiting > 0 && listen(waiting) < waiting {
		life.short++
	}
	if waker != 0 && now >= wake {
		Say(waker, "woke "+number(uint64(now)))
		waker = 0
	}
	if waker != 0 {
		return wake
	}
	return Next
}

// listen takes the events off the queue, and says how many they were.
func listen(waiting uint32) (heard uint32) {
	room := uint32(len(records) / wasi.EventSize)
	if sip > 0 {
		room = min(sip, room)
	}
	for {
		Import(wasi.EventsRead, Address(unsafe.Pointer(&records)), uint64(room)*wasi.EventSize, Address(unsafe.Pointer(&count)))
		n := min(count, room)
		heard += n
		for i := range n {
			hear(wasi.GetEvent(records[i*wasi.EventSize:]))
		}
		if n == 0 || n < room && sip == 0 {
			return heard
		}
	}
}

func hear(e wasi.Event) {
	if e.Kind == wasi.EventOpen {
		sessions[e.Session] = &session{}
		Say(e.Session, "hello "+number(uint64(e.Session))+" "+number(Address(unsafe.Pointer(&Scratch)))+" "+
			number(uint64(len(Scratch)))+" "+number(uint64(instance))+" "+number(e.Value))
		return
	}
	s := sessions[e.Session]
	switch {
	case e.Kind == wasi.EventClock:
		life.clock = e.Value
	case e.Kind == wasi.EventDrain && e.Session == 0:
		for handle := range sessions {
			tell(handle, e)
		}
	case s == nil:
		life.early++
	case s.watcher != 0:
		tell(s.watcher, e)
	case e.Kind == wasi.EventReadable && e.Handle == e.Session:
		read(e.Session, s)
	default:
		if e.Kind == wasi.EventWritable && e.Handle == e.Session {
			s.flush(e.Session)
		}
		tell(e.Session, e)
	}
}

func tell(session uint32, e wasi.Event) {
	Say(session, "event "+number(uint64(e.Kind))+" "+number(uint64(e.Errno))+" "+
		number(uint64(e.Session))+" "+number(uint64(e.Handle))+" "+number(e.Value))
}

// read obeys the lines that a session has sent. The session closes when its
// client does.
func read(handle uint32, s *session) {
	for {
		errno := Import(wasi.NetRead, uint64(handle), Address(unsafe.Pointer(&input)), uint64(len(input)),
			Address(unsafe.Pointer(&count)))
		if errno == uint32(wasi.EAGAIN) || errno == uint32(wasi.EBADF) {
			return
		}
		if errno != 0 || count == 0 {
			Import(wasi.HandleClose, uint64(handle))
			return
		}
		s.begun += string(input[:min(int(count), len(input))])
		for {
			line, rest, ok := strings.Cut(s.begun, "\n")
			if !ok {
				break
			}
			s.begun = rest
			Obey(handle, line)
		}
	}
}

// Say sends a line to a session.
func Say(handle uint32, line string) {
	if s := sessions[handle]; s != nil {
		s.unsent = append(append(s.unsent, line...), '\n')
		s.flush(handle)
	}
}

func (s *session) flush(handle uint32) {
	for len(s.unsent) > 0 {
		count = 0
		errno := Import(wasi.NetWrite, uint64(handle), Address(unsafe.Pointer(&s.unsent[0])), uint64(len(s.unsent)),
			Address(unsafe.Pointer(&count)))
		if errno != 0 || count == 0 {
			return
		}
		s.unsent = s.unsent[min(int(count), len(s.unsent)):]
	}
}

func number(v uint64) string { return strconv.FormatUint(v, 10) }

// Obey does what a line says.
func Obey(handle uint32, line string) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return
	}
	switch words[0] {
	case "call":
		Say(handle, "errno "+number(uint64(call(handle, words[1:]))))
	case "poke":
		p := memory(words[1], len(words[2])/2)
		for i := range p {
			b, _ := strconv.ParseUint(words[2][2*i:2*i+2], 16, 8)
			p[i] = byte(b)
		}
		Say(handle, "ok")
	case "peek":
		p := memory(words[1], int(Value(words[2])))
		answer := make([]byte, 0, 6+2*len(p))
		answer = append(answer, "bytes "...)
		for _, b := range p {
			answer = append(answer, "0123456789abcdef"[b>>4], "0123456789abcdef"[b&15])
		}
		Say(handle, string(answer))
	case "grow":
		grown = append(grown, make([]byte, Value(words[1])))
		Say(handle, "grown "+number(Address(unsafe.Pointer(unsafe.SliceData(grown[len(grown)-1])))))
	case "pages":
		Say(handle, "pages "+number(uint64(pages())))
	case "watch":
		if s := sessions[uint32(Value(words[1]))]; s != nil {
			s.watcher = handle
		}
		Say(handle, "ok")
	case "sip":
		sip = uint32(Value(words[1]))
		Say(handle, "ok")
	case "next":
		Next = int64(Value(words[1]))
		Say(handle, "ok")
	case "wake":
		waker, wake = handle, int64(Value(words[1]))
		Say(handle, "ok")
	case "life":
		Say(handle, "life "+number(life.initialized)+" "+number(life.starts)+" "+number(life.size)+" "+number(life.steps)+" "+
			number(uint64(life.now))+" "+number(life.backwards)+" "+number(life.short)+" "+number(life.early)+" "+number(life.clock))
	case "panic":
		panic("the guest panics")
	default:
		if obey := Verbs[words[0]]; obey != nil {
			obey(handle, words)
		}
	}
}

// call makes the import that the words say. What came before TLS begins or ends is
// forgotten, as an engine must.
func call(handle uint32, words []string) uint32 {
	args := make([]uint64, len(words))
	for i, word := range words {
		args[i] = Value(word)
	}
	errno := Import(int(args[0]), args[1:]...)
	changes := args[0] == wasi.NetTLS
	if s := sessions[handle]; s != nil && changes && errno == 0 && uint32(args[1]) == handle {
		s.begun = ""
	}
	return errno
}

// Import makes import n of the table.
func Import(n int, args ...uint64) uint32 { return imports[n](args) }

// Value is the number that a word is.
func Value(word string) uint64 {
	v, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		panic(err)
	}
	return v
}

func memory(at string, size int) []byte {
	offset := uintptr(Value(at)) - uintptr(unsafe.Pointer(&Scratch))
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(&Scratch), offset)), size)
}

// pages is the instruction memory.size.
func pages() uint32
