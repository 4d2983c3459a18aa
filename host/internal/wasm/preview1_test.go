package wasm

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"wasiftp/wasi"
)

func newPatient() *Instance { return &Instance{deadline: time.Now().Add(time.Hour)} }

// words writes numbers to memory, one after another.
func words(memory []byte, at int, numbers ...uint32) {
	for i, n := range numbers {
		binary.LittleEndian.PutUint32(memory[at+4*i:], n)
	}
}

func TestStandardError(t *testing.T) {
	t.Parallel()
	memory := make([]byte, 1024)
	copy(memory[100:], "hello world")
	words(memory, 0, 100, 6, 106, 5)
	words(memory, 16, 1020, 5)
	words(memory, 24, math.MaxUint32, math.MaxUint32)
	for _, c := range []struct {
		name  string
		Args  [4]uint32
		errno wasi.Errno
	}{
		{"all is well", [4]uint32{2, 0, 2, 64}, wasi.OK},
		{"nothing", [4]uint32{2, 0, 0, 64}, wasi.OK},
		{"standard output", [4]uint32{1, 0, 2, 64}, wasi.OK},
		{"standard input", [4]uint32{0, 0, 2, 64}, wasi.EBADF},
		{"a file", [4]uint32{3, 0, 2, 64}, wasi.EBADF},
		{"vectors beyond the end", [4]uint32{2, 1020, 1, 64}, wasi.EFAULT},
		{"vectors at -1", [4]uint32{2, math.MaxUint32, 1, 64}, wasi.EFAULT},
		{"result beyond the end", [4]uint32{2, 0, 1, 1021}, wasi.EFAULT},
		{"text beyond the end", [4]uint32{2, 16, 1, 64}, wasi.EFAULT},
		{"text at -1", [4]uint32{2, 24, 1, 64}, wasi.EFAULT},
		{"many vectors", [4]uint32{2, 0, maxVector + 1, 64}, wasi.EINVAL},
		{"all vectors", [4]uint32{2, 0, math.MaxUint32, 64}, wasi.EINVAL},
	} {
		i := newPatient()
		if errno := i.fdWrite(memory, c.Args); errno != c.errno {
			t.Errorf("%s: %v, not %v", c.name, errno, c.errno)
		}
		if want := map[bool]string{true: "hello world"}[c.name == "all is well"]; string(i.stderr.text) != want {
			t.Errorf("%s: %q is kept", c.name, i.stderr.text)
		}
	}
}

// Only the first 4096 bytes that the guest prints are kept.
func TestStandardErrorIsBounded(t *testing.T) {
	t.Parallel()
	var b bounded
	for range 1000 {
		if n, err := b.Write([]byte(strings.Repeat("x", 100))); n != 100 || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(b.text) != 4096 {
		t.Errorf("%d bytes are kept", len(b.text))
	}
}

func TestSleepIsShort(t *testing.T) {
	t.Parallel()
	memory := make([]byte, 8<<10)
	for i := range 100 {
		binary.LittleEndian.PutUint64(memory[48*i+24:], math.MaxUint64)
	}
	for _, c := range []struct {
		name  string
		Args  [4]uint32
		errno wasi.Errno
	}{
		{"for ever", [4]uint32{0, 4096, 1, 8000}, wasi.OK},
		{"many", [4]uint32{0, 4096, maxVector, 8000}, wasi.OK},
		{"nothing", [4]uint32{0, 4096, 0, 8000}, wasi.EINVAL},
		{"too many", [4]uint32{0, 4096, maxVector + 1, 8000}, wasi.EINVAL},
		{"all", [4]uint32{0, 4096, math.MaxUint32, 8000}, wasi.EINVAL},
		{"from beyond the end", [4]uint32{8<<10 - 47, 4096, 1, 8000}, wasi.EFAULT},
		{"to beyond the end", [4]uint32{0, 8<<10 - 31, 1, 8000}, wasi.EFAULT},
		{"result beyond the end", [4]uint32{0, 4096, 1, 8<<10 - 3}, wasi.EFAULT},
		{"at -1", [4]uint32{math.MaxUint32, math.MaxUint32, 1, math.MaxUint32}, wasi.EFAULT},
	} {
		done := make(chan wasi.Errno, 1)
		go func() { done <- newPatient().pollOneoff(memory, c.Args) }()
		select {
		case errno := <-done:
			if errno != c.errno {
				t.Errorf("%s: %v, not %v", c.name, errno, c.errno)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: it sleeps", c.name)
		}
	}
	copy(memory, "userdata")
	memory[8] = 1 // fd_read: there is no file
	if errno := newPatient().pollOneoff(memory, [4]uint32{0, 4096, 1, 8000}); errno != wasi.OK {
		t.Fatal(errno)
	}
	if got := string(memory[4096:4107]); got != "userdata\x08\x00\x01" || memory[8000] != 1 {
		t.Errorf("the event is %q", got)
	}
}

// Whatever the arguments, these functions do not panic.
func TestSystemFunctionsWithAnything(t *testing.T) {
	t.Parallel()
	memory := make([]byte, 256)
	i := newPatient()
	pick := func() uint32 {
		return []uint32{rand.Uint32(), rand.Uint32N(300), rand.Uint32N(4), math.MaxUint32 - rand.Uint32N(64)}[rand.IntN(4)]
	}
	for range 20_000 {
		for at := range memory {
			memory[at] = byte(rand.Uint32())
		}
		memory[8] |= 1 // not a clock, which would sleep
		a := [4]uint32{pick(), pick(), pick(), pick()}
		i.fdWrite(memory, a)
		a[0] = 0
		i.pollOneoff(memory, [4]uint32{0, a[1], 1, a[3]})
	}
}

func TestDeadlineEndsACall(t *testing.T) {
	t.Parallel()
	late := &Instance{deadline: time.Now().Add(-time.Second)}
	for name, f := range map[string]func(){
		"fd_write":    func() { late.fdWrite(nil, [4]uint32{}) },
		"poll_oneoff": func() { late.pollOneoff(nil, [4]uint32{}) },
	} {
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || !errors.Is(err, ErrHung) {
					t.Errorf("%s goes on", name)
				}
			}()
			f()
		}()
	}
}
