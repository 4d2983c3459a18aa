package wasm

import (
	"encoding/binary"
	"math"
	"time"

	"wasiftp/wasi"
)

// maxRandom is how many random bytes the guest gets at a time, and maxSleep how
// long it sleeps: nothing it asks of the system may take long.
const (
	maxRandom = 4096
	maxSleep  = time.Millisecond
)

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// checkDeadline ends the guest's present call when it has taken too long. Fuel
// bounds what the guest does by itself, this what it has the host do.
func (i *Instance) checkDeadline() {
	if time.Now().After(i.deadline) {
		panic(ErrHung)
	}
}

// bounded keeps the first of what the guest prints: a stack overflow alone
// prints 30,000 frames.
type bounded struct{ text []byte }

func (b *bounded) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), 4096-len(b.text))]...)
	return len(p), nil
}

// The two functions of WASI that a guest can give as much to do as it likes: the
// runtime's own would keep the shard for hours. These take little at a time, and
// look at the clock.
var systemFunctions = map[string]func(i *Instance, memory []byte, a [4]uint32) wasi.Errno{
	"fd_write":    (*Instance).fdWrite,
	"poll_oneoff": (*Instance).pollOneoff,
}

// maxVector is how many buffers or subscriptions one call takes: Go's runtime
// gives one.
const maxVector = 64

// part is size bytes of the guest's memory, nil where there are none.
func part(memory []byte, at uint32, size uint64) []byte {
	if uint64(at)+size > uint64(len(memory)) {
		return nil
	}
	return memory[at : uint64(at)+size]
}

// fdWrite is fd_write(fd, iovs, count, &written). Standard output goes nowhere.
func (i *Instance) fdWrite(memory []byte, a [4]uint32) wasi.Errno {
	i.checkDeadline()
	fd, count := a[0], uint64(a[2])
	if fd != 1 && fd != 2 {
		return wasi.EBADF
	}
	if count > maxVector {
		return wasi.EINVAL
	}
	vectors, result := part(memory, a[1], 8*count), part(memory, a[3], 4)
	if vectors == nil || result == nil {
		return wasi.EFAULT
	}
	written := uint64(0)
	for ; len(vectors) > 0; vectors = vectors[8:] {
		size := uint64(binary.LittleEndian.Uint32(vectors[4:]))
		text := part(memory, binary.LittleEndian.Uint32(vectors), size)
		if text == nil {
			return wasi.EFAULT
		}
		if written += size; written > math.MaxUint32 {
			return wasi.EINVAL
		}
		if fd == 2 {
			i.stderr.Write(text)
		}
	}
	binary.LittleEndian.PutUint32(result, uint32(written))
	return wasi.OK
}

// Sizes of a subscription and of an event of poll_oneoff.
const (
	subscriptionSize = 48
	happeningSize    = 32
)

// pollOneoff is poll_oneoff(in, out, count, &events). There is nothing to wait
// for but the time, and for that not long.
func (i *Instance) pollOneoff(memory []byte, a [4]uint32) wasi.Errno {
	i.checkDeadline()
	count := uint64(a[2])
	if count == 0 || count > maxVector {
		return wasi.EINVAL
	}
	in, out, result := part(memory, a[0], subscriptionSize*count), part(memory, a[1], happeningSize*count), part(memory, a[3], 4)
	if in == nil || out == nil || result == nil {
		return wasi.EFAULT
	}
	nap := uint64(maxSleep)
	for ; len(in) > 0; in, out = in[subscriptionSize:], out[happeningSize:] {
		var event [happeningSize]byte
		copy(event[:8], in) // what the guest knows it by
		event[10] = in[8]
		if in[8] == 0 { // a clock
			nap = min(nap, binary.LittleEndian.Uint64(in[24:]))
		} else {
			event[8] = byte(wasi.EBADF)
			nap = 0
		}
		copy(out, event[:])
	}
	binary.LittleEndian.PutUint32(result, uint32(count))
	time.Sleep(time.Duration(nap))
	return wasi.OK
}
