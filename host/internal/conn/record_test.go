package conn

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readerConn is a connection that can only be read from.
type readerConn struct {
	net.Conn
	io.Reader
}

func (c readerConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// TestRecordsReadNoFurther: a read leaves the bytes behind a record where they are,
// whatever the size of its buffer, and however few bytes come at a time.
func TestRecordsReadNoFurther(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	whole := func(r io.Reader) io.Reader { return r }
	for _, slow := range []func(io.Reader) io.Reader{whole, iotest.OneByteReader, iotest.HalfReader} {
		var wire bytes.Buffer
		sizes := []int{0, 1, 255, 256, 16384, random.IntN(20000)}
		for _, size := range sizes {
			wire.Write([]byte{23, 3, 3, byte(size >> 8), byte(size)})
			wire.Write(bytes.Repeat([]byte{'x'}, size))
		}
		wire.WriteString("PWD\r\n")
		r := &records{Conn: readerConn{Reader: slow(&wire)}}
		p := make([]byte, 64<<10)
		for _, size := range sizes {
			before := wire.Len()
			for n := 0; n < recordHeader+size; {
				got, err := r.Read(p)
				require.NoError(t, err)
				n += got
			}
			require.Equal(t, recordHeader+size, before-wire.Len())
		}
		assert.Equal(t, "PWD\r\n", wire.String())

		r.ending = true
		_, err := r.Read(p)
		assert.Equal(t, errInTheClear, err)
		assert.Equal(t, "PWD\r\n", string(r.clear)+wire.String())
	}
}
