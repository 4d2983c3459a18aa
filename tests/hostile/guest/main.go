//go:build wasip1

// Command guest is an engine that serves no FTP but does what its client tells
// it to: it makes any call of the boundary with any numbers, and breaks in any
// way that it can. The lies are told by the test that is its client.
//
// After "hello SESSION SCRATCH SIZE" it answers a line with a line:
//
//	call N ARGS...          makes import N of the table: "errno E"
//	repeat TIMES N ARGS...  the same many times in one step: "errno E", of the last one.
//	                        An argument * counts up from 1
//	spin N ARGS...          the same without end
//	poke ADDRESS HEX        writes memory: "ok"
//	peek ADDRESS SIZE       reads memory: "bytes HEX"
//	next TIME               is what every step returns from now on: "ok"
//	steps                   how often it was called: "steps N"
//	print BYTES             on the standard error: "ok"
//	deaf                    takes no more events
//	panic, exit N, overflow, hoard, loop, sleep NS
//
// An event that is no line is told as "event KIND ERRNO SESSION HANDLE VALUE".
// A greeting in the configuration is a line obeyed by ftp_start.
package main

import (
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"wasiftp/wasi"
)

var (
	scratch [256 << 10]byte // where the test puts what imports read and write
	records [64 * wasi.EventSize]byte
	input   [512]byte
	count   uint32

	lines   = map[uint32][]byte{} // begun, of each session
	deaf    bool
	refuses uint32
	next    int64
	steps   uint64
	hoarded [][]byte
)

func main() {}

func address(p unsafe.Pointer) uint64 { return uint64(uintptr(p)) }

//go:wasmexport ftp_abi_version
func abiVersion() uint32 { return wasi.ABIVersion }

//go:wasmexport ftp_start
func start(size uint32) uint32 {
	imports[wasi.ConfigRead]([]uint64{address(unsafe.Pointer(&scratch)), uint64(len(scratch)), address(unsafe.Pointer(&count))})
	config, ok := wasi.GetConfig(scratch[:size])
	if !ok {
		return uint32(wasi.EINVAL)
	}
	if config.Greeting != "" {
		obey(0, config.Greeting)
	}
	return refuses
}

//go:wasmexport ftp_step
func step(_ int64, waiting uint32) int64 {
	steps++
	for !deaf && waiting > 0 {
		imports[wasi.EventsRead]([]uint64{address(unsafe.Pointer(&records)), uint64(len(records)), address(unsafe.Pointer(&count))})
		n := int(count)
		for i := range n {
			hear(wasi.GetEvent(records[i*wasi.EventSize:]))
		}
		if n*wasi.EventSize < len(records) {
			break
		}
	}
	return next
}

func hear(e wasi.Event) {
	switch {
	case e.Kind == wasi.EventOpen:
		lines[e.Session] = nil
		say(e.Session, "hello "+number(uint64(e.Session))+" "+number(address(unsafe.Pointer(&scratch)))+" "+number(uint64(len(scratch))))
	case e.Kind == wasi.EventReadable && e.Handle == e.Session:
		listen(e.Session)
	default:
		say(e.Session, "event "+number(uint64(e.Kind))+" "+number(uint64(e.Errno))+" "+
			number(uint64(e.Session))+" "+number(uint64(e.Handle))+" "+number(e.Value))
	}
}

// listen obeys the lines that a session has sent. The session closes when its
// client does.
func listen(session uint32) {
	for {
		errno := imports[wasi.NetRead]([]uint64{uint64(session), address(unsafe.Pointer(&input)), uint64(len(input)), address(unsafe.Pointer(&count))})
		if errno == uint32(wasi.EAGAIN) || errno == uint32(wasi.EBADF) {
			return
		}
		if errno != 0 || count == 0 {
			imports[wasi.HandleClose]([]uint64{uint64(session)})
			delete(lines, session)
			return
		}
		lines[session] = append(lines[session], input[:count]...)
		for {
			line, rest, ok := strings.Cut(string(lines[session]), "\n")
			if !ok {
				break
			}
			lines[session] = []byte(rest)
			obey(session, line)
		}
	}
}

func say(session uint32, line string) {
	line += "\n"
	p := address(unsafe.Pointer(unsafe.StringData(line)))
	imports[wasi.NetWrite]([]uint64{uint64(session), p, uint64(len(line)), address(unsafe.Pointer(&count))})
	runtime.KeepAlive(line)
}

func number(v uint64) string { return strconv.FormatUint(v, 10) }

func obey(session uint32, line string) {
	words := strings.Fields(line)
	switch words[0] {
	case "call":
		say(session, "errno "+number(uint64(call(words[1:], 0))))
	case "repeat":
		var errno uint32
		for i := range value(words[1], 0) {
			errno = call(words[2:], i+1)
		}
		say(session, "errno "+number(uint64(errno)))
	case "spin":
		for {
			call(words[1:], 0)
		}
	case "poke":
		p := memory(words[1], len(words[2])/2)
		for i := range p {
			b, _ := strconv.ParseUint(words[2][2*i:2*i+2], 16, 8)
			p[i] = byte(b)
		}
		say(session, "ok")
	case "peek":
		answer := []byte("bytes ")
		for _, b := range memory(words[1], int(value(words[2], 0))) {
			answer = append(answer, "0123456789abcdef"[b>>4], "0123456789abcdef"[b&15])
		}
		say(session, string(answer))
	case "next":
		next = int64(value(words[1], 0))
		say(session, "ok")
	case "steps":
		say(session, "steps "+number(steps))
	case "print":
		for range value(words[1], 0) / 64 {
			print("a line of sixty-four bytes, its end counted, on standard error.\n")
		}
		say(session, "ok")
	case "deaf":
		deaf = true
	case "refuse":
		refuses = uint32(wasi.EINVAL)
	case "panic":
		panic("the guest panics")
	case "exit":
		exit(uint32(value(words[1], 0)))
	case "overflow":
		overflow(session)
	case "hoard":
		for {
			hoarded = append(hoarded, make([]byte, 1<<20))
		}
	case "loop":
		for {
		}
	case "sleep":
		for {
			sleep(value(words[1], 0))
		}
	}
}

func call(words []string, round uint64) uint32 {
	n := value(words[0], 0)
	args := make([]uint64, len(words)-1)
	for i, word := range words[1:] {
		args[i] = value(word, round)
	}
	return imports[n](args)
}

func value(word string, round uint64) uint64 {
	if word == "*" {
		return round
	}
	v, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		panic(err)
	}
	return v
}

func memory(at string, size int) []byte {
	offset := uintptr(value(at, 0)) - uintptr(unsafe.Pointer(&scratch))
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(&scratch), offset)), size)
}

func overflow(n uint32) uint32 { return overflow(n+1) + 1 }

//go:wasmimport wasi_snapshot_preview1 proc_exit
func exit(code uint32)

//go:wasmimport wasi_snapshot_preview1 poll_oneoff
func poll(in, out unsafe.Pointer, count uint32, result *uint32) uint32

// sleep waits inside the host, where no check of a loop is met.
func sleep(ns uint64) {
	var subscription struct {
		user  uint64
		clock uint64 // tag 0
		id    uint64
		ns    uint64
		slack uint64
		flags uint64
	}
	var happened [32]byte
	subscription.ns = ns
	poll(unsafe.Pointer(&subscription), unsafe.Pointer(&happened), 1, &count)
}
