package ftp_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
)

// TestHandles: a session is found by its handle, whatever the numbers that the world gives
// out, and whoever has come and gone.
func TestHandles(t *testing.T) {
	t.Parallel()
	for _, step := range []uint32{1, 2, 64, 1 << 16, 0x9e3779b1, 0x85ebca6b} {
		q := &quiet{}
		e := ftp.New(q, ftp.Config{})
		random := rand.New(rand.NewPCG(7, uint64(step)))
		open := map[ftp.Handle]bool{}
		for range 4000 {
			h := ftp.Handle(step * (1 + random.Uint32N(300)))
			before := q.written
			q.say(e, h, "NOOP\r\n")
			assert.Equal(t, open[h], q.written > before, "handle %d of %d", h, step)
			switch {
			case !open[h]:
				q.left = ""
				q.session(e, h)
				open[h] = true
			case random.IntN(2) == 0:
				q.say(e, h, "QUIT\r\n")
				delete(open, h)
			}
		}
	}
}
