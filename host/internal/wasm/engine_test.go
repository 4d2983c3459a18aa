package wasm

import (
	"testing"
	"time"
)

// TestSinceBegan: not even a clock that goes back shows 0 or less.
func TestSinceBegan(t *testing.T) {
	t.Parallel()
	for _, began := range []time.Time{time.Now(), time.Now().Add(time.Hour)} {
		if ns := sinceBegan(began); ns < 1 || ns > int64(time.Hour) {
			t.Errorf("%d ns since %v", ns, began)
		}
	}
}
