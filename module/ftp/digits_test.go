package ftp_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
)

// numbers are around each power of ten, and others of any length.
func numbers() []uint64 {
	list := []uint64{math.MaxUint64, math.MaxInt64, 1<<32 - 1, 1 << 32}
	for n := uint64(1); ; n *= 10 {
		list = append(list, n-1, n, n+1)
		if n > math.MaxUint64/10 {
			break
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		list = append(list, random.Uint64()>>random.IntN(64))
	}
	return list
}

func TestDigits(t *testing.T) {
	t.Parallel()
	for _, n := range numbers() {
		assert.Equal(t, "x"+strconv.FormatUint(n, 10), string(ftp.AppendUint([]byte{'x'}, n)))
		want := fmt.Sprintf("-rwsr-xr-x %4d%8d", n&0xff+1, n)
		assert.Equal(t, want, ftp.AppendColumns(&ftp.FileInfo{Size: n, Mode: 0o4755, Links: uint32(n&0xff) + 1}))
	}
}

// TestPlain: a name of any length and any bytes is listed as it is, but for control bytes.
func TestPlain(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	bytes := []byte("\x00\x01\n\r\x1f !~\x7f\x80\x9f\xa0\xff")
	for range 20_000 {
		name := []byte(strings.Repeat("a", random.IntN(40)))
		for range random.IntN(3) {
			if len(name) > 0 {
				name[random.IntN(len(name))] = bytes[random.IntN(len(bytes))]
			}
		}
		want := []byte("x" + string(name))
		for i, c := range want {
			if c < ' ' || c == 0x7f {
				want[i] = '?'
			}
		}
		assert.Equal(t, string(want), string(ftp.AppendPlain([]byte{'x'}, name)))
	}
}
