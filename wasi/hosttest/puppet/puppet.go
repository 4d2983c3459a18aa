//go:build wasip1

// Package puppet is a module in the place of the engine. It serves no FTP but obeys its
// client: it makes any call of the boundary with any numbers. It judges nothing; the client
// checks the results.
//
// It greets a session by "hello SESSION SCRATCH SIZE INSTANCE VALUE", with the value of the
// session's EventOpen. Then it answers each line by a line:
//
//	call N ARGS...    calls import N of the table: "errno E"
//	poke ADDRESS HEX  writes memory: "ok"
//	peek ADDRESS SIZE reads memory: "bytes HEX"
//	grow SIZE         allocates memory that imports may read and write: "grown ADDRESS"
//	pages             tells the size of the memory: "pages N", of 64 KiB
//	watch SESSION     reports that session's events to this one, and leaves its bytes
//	                  for calls of net_read: "ok"
//	sip N             reads events N at a time, 0 for as many as there are: "ok"
//	next TIME         sets the result of every step from now on: "ok"
//	wake TIME         sets the result of every step until that time, and reports it by
//	                  "woke NOW" then: "ok"
//	life              tells how the exports were called: "life INITIALIZED STARTS SIZE STEPS NOW BACKWARDS SHORT EARLY CLOCK",
//	                  with the value of the last EventClock, 0 for none
//	panic             traps
//
// It reports every other event as "event KIND ERRNO SESSION HANDLE VALUE".
package puppet

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"unsafe"

	"wasiftp/wasi"
)

// A program that adds lines of its own may use these.
var (
	// Verbs are the functions of further lines, by their first word.
	Verbs = map[string]func(session uint32, words []string){}

	Scratch [256 << 10]byte // memory of the client, for what imports read and write
	Next    int64           // the result of every step
	Deaf    bool            // events are not read any more
)

var (
	records  [64 * wasi.EventSize]byte
	sip      uint32
	input    [512]byte
	count    uint32
	instance = rand.Uint32()
	sessions = map[uint32]*session{}
	grown    [][]byte

	waker uint32 // the session that gets "woke" at the time wake, 0 for none
	wake  int64
)

// session is a control connection.
type session struct {
	begun   string // a line without its end
	unsent  []byte
	watcher uint32 // the session that gets its events, 0 for itself
}

// life tells how the exports were called.
var life struct {
	initialized, starts, size, steps uint64
	now                              int64
	backwards                        uint64 // steps whose time was before that of the step before
	short                            uint64 // steps with fewer events than their argument says
	clock                            uint64 // the value of the last EventClock
	early                            uint64 // steps before the start, and events of a session before it opened
}

func init() { life.initialized++ }

// Address is a pointer as the argument of an import.
func Address(p unsafe.Pointer) uint64 { return uint64(uintptr(p)) }

// Start is the export ftp_start. It returns the configuration that the host has given; ok
// is false if that is no configuration record.
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

// listen reads the events of a step and obeys them. It returns their number.
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

// read obeys the lines that a session has sent. It closes the session at the end of the
// stream.
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

// Obey does what a line says, and answers it.
func Obey(handle uint32, line string) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return
	}
	answer := "ok"
	switch words[0] {
	case "call":
		answer = "errno " + number(uint64(call(handle, words[1:])))
	case "poke":
		p := memory(words[1], len(words[2])/2)
		for i := range p {
			b, _ := strconv.ParseUint(words[2][2*i:2*i+2], 16, 8)
			p[i] = byte(b)
		}
	case "peek":
		p := memory(words[1], int(Value(words[2])))
		text := append(make([]byte, 0, 6+2*len(p)), "bytes "...)
		for _, b := range p {
			text = append(text, "0123456789abcdef"[b>>4], "0123456789abcdef"[b&15])
		}
		answer = string(text)
	case "grow":
		grown = append(grown, make([]byte, Value(words[1])))
		answer = "grown " + number(Address(unsafe.Pointer(unsafe.SliceData(grown[len(grown)-1]))))
	case "pages":
		answer = "pages " + number(uint64(pages()))
	case "watch":
		if s := sessions[uint32(Value(words[1]))]; s != nil {
			s.watcher = handle
		}
	case "sip":
		sip = uint32(Value(words[1]))
	case "next":
		Next = int64(Value(words[1]))
	case "wake":
		waker, wake = handle, int64(Value(words[1]))
	case "life":
		answer = "life " + number(life.initialized) + " " + number(life.starts) + " " + number(life.size) + " " +
			number(life.steps) + " " + number(uint64(life.now)) + " " + number(life.backwards) + " " + number(life.short) + " " +
			number(life.early) + " " + number(life.clock)
	case "panic":
		panic("the guest panics")
	default:
		if obey := Verbs[words[0]]; obey != nil {
			obey(handle, words)
		}
		return
	}
	Say(handle, answer)
}

// call calls the import that the words say. After a net_tls of the session itself it drops
// the line that had begun, as an engine must.
func call(handle uint32, words []string) uint32 {
	args := make([]uint64, len(words))
	for i, word := range words {
		args[i] = Value(word)
	}
	errno := Import(int(args[0]), args[1:]...)
	if s := sessions[handle]; s != nil && args[0] == wasi.NetTLS && errno == 0 && uint32(args[1]) == handle {
		s.begun = ""
	}
	return errno
}

// Import calls import n of the table.
func Import(n int, args ...uint64) uint32 { return imports[n](args) }

// Value is the decimal number that word has. It panics, and so traps, on any other word.
func Value(word string) uint64 {
	v, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		panic(err)
	}
	return v
}

// memory is size bytes of the module's memory, from the address that a word has on.
func memory(at string, size int) []byte {
	offset := uintptr(Value(at)) - uintptr(unsafe.Pointer(&Scratch))
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(&Scratch), offset)), size)
}

// pages is the instruction memory.size.
func pages() uint32
