package hostile

import (
	"io"
	"testing"
	"time"

	"wasiftp/host"
	"wasiftp/wasi"
)

// A guest that starts many transfers of a session at once moves no more than one.
func TestThreat46RatesOfManyTransfers(t *testing.T) {
	t.Parallel()
	const rate, size, transfers = 32 << 10, 8 << 10, 6
	s := newGuestStage(t, func(c *host.Config) { c.Limits.RatesPerSession = host.Rates{Down: rate} })
	s.put("file", string(make([]byte, size)))
	p := s.puppet()
	p.login()
	began := time.Now()
	var conns []io.Reader
	for range transfers {
		data, client := p.Data()
		p.Must(wasi.TransferStart, p.Open("file", 0, 0), data, 0, 0)
		conns = append(conns, client)
	}
	for _, conn := range conns {
		if n, err := io.Copy(io.Discard, conn); n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
	// What is left over of the rate goes at once, and so does the first piece of each.
	least := time.Duration(transfers*size-4<<10-transfers*4<<10) * time.Second / rate
	if took := time.Since(began); took < least {
		t.Errorf("%d files took %v, less than %v", transfers, took, least)
	}
	p.lives()
}
