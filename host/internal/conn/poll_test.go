package conn

import (
	"sync/atomic"
	"testing"
	"time"
)

// pollFor starts a poll, and the goroutine that waits for it until the test is over.
func pollFor(t *testing.T) *Poll {
	p, ended := NewPoll(), make(chan struct{})
	var over atomic.Bool
	go func() {
		defer close(ended)
		for !over.Load() {
			p.Wait(time.Time{})
		}
		p.End()
	}()
	t.Cleanup(func() {
		over.Store(true)
		p.Wake()
		<-ended
	})
	return p
}
