package conn

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
)

// written keeps each Write.
type written struct {
	net.Conn // nil
	all      [][]byte
}

func (w *written) Write(p []byte) (int, error) {
	w.all = append(w.all, append([]byte(nil), p...))
	return len(p), nil
}

func TestGather(t *testing.T) {
	t.Parallel()
	w := &written{}
	c := &Closing{Conn: w}
	c.Write([]byte("hand"))
	c.Write([]byte("shake"))
	c.Gather()
	for _, p := range []string{"a ", "piece ", "of work"} {
		n, err := c.Write([]byte(p))
		assert.Equal(t, len(p), n)
		assert.NoError(t, err)
	}
	assert.Len(t, w.all, 2)
	assert.NoError(t, c.Flush())
	assert.NoError(t, c.Flush())
	c.Write([]byte("bye"))
	assert.Equal(t, [][]byte{[]byte("hand"), []byte("shake"), []byte("a piece of work"), []byte("bye")}, w.all)
}
