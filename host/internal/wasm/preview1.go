package wasm

import (
	"encoding/binary"
	"math"
	"time"

	"wasiftp/wasi"
)

// Limits of one call of a system function, which must not take long.
const (
	maxRandom = 4096             // bytes of random_get
	maxSleep  = time.Millisecond // of poll_oneoff
	maxVector = 64               // buffers or subscriptions; Go's runtime passes one
)

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// checkDeadline panics with ErrHung, which ends the call into the guest, when that has
// taken too long. Fuel bounds the time in the guest's code, this the time in the host's.
func (i *Instance) checkDeadline() {
	if time.Now().After(i.deadline) {
		panic(ErrHung)
	}
}

// bounded keeps the first 4096 bytes that the guest prints: a stack overflow alone prints
// 30,000 frames.
type bounded struct{ text []byte }

func (b *bounded) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), 4096-len(b.text))]...)
	return len(p), nil
}

// systemFunctions replace the two functions of the runtime's WASI that a guest could keep
// busy for hours, and the shard with them. These bound their arguments and check the
// deadline.
var systemFunctions = map[string]func(i *Instance, memory []byte, a [4]uint32) wasi.Errno{
	"fd_write":    (*Instance).fdWrite,
	"poll_oneoff": (*Instance).pollOneoff,
}

// part is size bytes of the guest's memory, nil if they are not all within it.
func part(memory []byte, at uint32, size uint64) []byte {
	if uint64(at)+size > uint64(len(memory)) {
		return nil
	}
	return memory[at : uint64(at)+size]
}

// fdWrite is fd_write(fd, iovs, count, &written). It drops standard output.
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

// Sizes of poll_oneoff's records in bytes.
const (
	subscriptionSize = 48
	eventSize        = 32
)

// pollOneoff is poll_oneoff(in, out, count, &events). It waits for clocks only, for
// maxSleep at most, and says of every other subscription that it failed.
func (i *Instance) pollOneoff(memory []byte, a [4]uint32) wasi.Errno {
	i.checkDeadline()
	count := uint64(a[2])
	if count == 0 || count > maxVector {
		return wasi.EINVAL
	}
	in, out, result := part(memory, a[0], subscriptionSize*count), part(memory, a[1], eventSize*count), part(memory, a[3], 4)
	if in == nil || out == nil || result == nil {
		return wasi.EFAULT
	}
	nap := uint64(maxSleep)
	for ; len(in) > 0; in, out = in[subscriptionSize:], out[eventSize:] {
		var event [eventSize]byte
		copy(event[:8], in) // userdata
		event[10] = in[8]   // type
		if in[8] == 0 {     // a clock
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
