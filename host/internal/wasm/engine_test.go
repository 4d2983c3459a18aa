package wasm

import (
	"testing"
	"time"
)

// TestSinceBegan: the clock shows at least 1, even if it began in the future.
func TestSinceBegan(t *testing.T) {
	t.Parallel()
	for _, began := range []time.Time{time.Now(), time.Now().Add(time.Hour)} {
		if ns := sinceBegan(began); ns < 1 || ns > int64(time.Hour) {
			t.Errorf("%d ns since %v", ns, began)
		}
	}
}
