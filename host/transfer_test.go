package host

import (
	"testing"
	"time"
)

// TestDyingTime: the busier the machine is that client and server share, the longer a
// client may take to die.
func TestDyingTime(t *testing.T) {
	t.Parallel()
	for load, want := range map[float64]time.Duration{0: 30 * time.Millisecond, 0.5: 60 * time.Millisecond,
		3: 210 * time.Millisecond, 1e9: time.Second} {
		if got := dyingAt(load); got != want {
			t.Errorf("with %v programs for each processor: %v, not %v", load, got, want)
		}
	}
	if load := load(); load < 0 || load > 1e5 {
		t.Errorf("the load is %v", load)
	}
}

// BenchmarkNoRates is what each transfer pays where no rate is limited: it asks for limits.
func BenchmarkNoRates(b *testing.B) {
	s := &session{server: newServer(Config{})}
	s.login.Store(&login{})
	b.ReportAllocs()
	for b.Loop() {
		if t := s.throttled(true); t != nil || t.wait(b.Context(), 1) != 1 {
			b.Fatal("there is a limit")
		}
	}
}
