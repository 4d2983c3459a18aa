package host

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"wasiftp/wasi"
)

// TestProgramsForOlderGuests: a guest that does not know of programs in session records gets
// none: it would take their length for a part of what the session does.
func TestProgramsForOlderGuests(t *testing.T) {
	t.Parallel()
	var p present
	for id := range uint64(2) {
		s := &session{server: &Server{}, id: id + 1, began: time.Now()}
		s.nameProgram([]byte("lftp"))
		p.add(s)
	}
	for _, programs := range []bool{false, true} {
		page, ok := p.page(make([]byte, 0, 1000), 0, nil, programs)
		assert.True(t, ok)
		assert.Equal(t, programs, len(page) > 2*wasi.WhoSize)
		for len(page) > 0 {
			var who wasi.Who
			who, page, ok = wasi.NextWho(page)
			assert.True(t, ok)
			assert.Equal(t, programs, string(who.Program) == "lftp", "%+v", who)
		}
	}
}
