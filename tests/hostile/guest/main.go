//go:build wasip1

// Command guest is the puppet of the host kit with more ways to misbehave. Like the
// puppet it makes any call with any numbers. It obeys the test that is its client, in
// these lines besides the puppet's:
//
//	repeat TIMES N ARGS...  calls import N many times in one step: "errno E" of the
//	                        last call. An argument * counts up from 1
//	spin N ARGS...          calls import N without end
//	steps                   how often ftp_step was called: "steps N"
//	print BYTES             writes so many bytes to standard error: "ok"
//	deaf                    takes no more events
//	refuse                  lets ftp_start return EINVAL
//	exit N                  ends the program
//	overflow                calls itself without end
//	hoard                   takes memory without end
//	loop                    loops without a call
//	sleep NS                waits in the host without end, NS ns a time
//
// ftp_start obeys the configuration's greeting as a line.
package main

import (
	"strconv"
	"unsafe"

	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/puppet"
)

var (
	count   uint32 // of events, from poll_oneoff
	refuses uint32 // the errno of ftp_start
	steps   uint64
	hoarded [][]byte
)

func main() {}

func init() {
	puppet.Verbs["repeat"] = func(session uint32, words []string) {
		var errno uint32
		for i := range puppet.Value(words[1]) {
			errno = call(words[2:], i+1)
		}
		puppet.Say(session, "errno "+strconv.Itoa(int(errno)))
	}
	puppet.Verbs["spin"] = func(_ uint32, words []string) {
		for {
			call(words[1:], 0)
		}
	}
	puppet.Verbs["steps"] = func(session uint32, _ []string) {
		puppet.Say(session, "steps "+strconv.FormatUint(steps, 10))
	}
	puppet.Verbs["print"] = func(session uint32, words []string) {
		for range puppet.Value(words[1]) / 64 {
			print("a line of sixty-four bytes, its end counted, on standard error.\n")
		}
		puppet.Say(session, "ok")
	}
	puppet.Verbs["deaf"] = func(uint32, []string) { puppet.Deaf = true }
	puppet.Verbs["refuse"] = func(uint32, []string) { refuses = uint32(wasi.EINVAL) }
	puppet.Verbs["exit"] = func(_ uint32, words []string) { exit(uint32(puppet.Value(words[1]))) }
	puppet.Verbs["overflow"] = func(session uint32, _ []string) { overflow(session) }
	puppet.Verbs["hoard"] = func(uint32, []string) {
		for {
			hoarded = append(hoarded, make([]byte, 1<<20))
		}
	}
	puppet.Verbs["loop"] = func(uint32, []string) {
		for {
		}
	}
	puppet.Verbs["sleep"] = func(_ uint32, words []string) {
		for {
			sleep(puppet.Value(words[1]))
		}
	}
}

//go:wasmexport ftp_abi_version
func abiVersion() uint32 { return wasi.ABIVersion }

//go:wasmexport ftp_start
func start(size uint32) uint32 {
	config, ok := puppet.Start(size)
	if !ok {
		return uint32(wasi.EINVAL)
	}
	if config.Greeting != "" {
		puppet.Obey(0, config.Greeting)
	}
	return refuses
}

//go:wasmexport ftp_step
func step(now int64, waiting uint32) int64 {
	steps++
	return puppet.Step(now, waiting)
}

func call(words []string, round uint64) uint32 {
	args := make([]uint64, len(words))
	for i, word := range words {
		if word == "*" {
			args[i] = round
		} else {
			args[i] = puppet.Value(word)
		}
	}
	return puppet.Import(int(args[0]), args[1:]...)
}

func overflow(n uint32) uint32 { return overflow(n+1) + 1 }

//go:wasmimport wasi_snapshot_preview1 proc_exit
func exit(code uint32)

//go:wasmimport wasi_snapshot_preview1 poll_oneoff
func poll(in, out unsafe.Pointer, count uint32, result *uint32) uint32

// sleep waits inside the host, where the guest's own code cannot be interrupted.
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
