package main

import (
	"os"
	"testing"
	"time"
)

// Each wait ends by its own flag, long before the others would.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	for flag, wait := range map[string]func(*testing.T, *running){
		"login-timeout": func(_ *testing.T, s *running) {
			d := s.dial()
			d.do(331, "USER anonymous")
			d.expect(421)
		},
		"data-timeout": func(_ *testing.T, s *running) {
			d := s.dial()
			d.login("anonymous", "guest")
			d.do(229, "EPSV")
			d.do(150, "LIST")
			d.expect(425)
		},
		"stall-timeout": func(t *testing.T, s *running) {
			d := s.dial()
			d.login("anonymous", "guest")
			data := d.data(s.addr)
			d.do(150, "STOR file")
			d.expect(426)
			data.SetReadDeadline(time.Now().Add(time.Minute))
			if n, err := data.Read(make([]byte, 1)); n > 0 || err == nil || os.IsTimeout(err) {
				t.Errorf("the data connection is still open: %d, %v", n, err)
			}
		},
	} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			s := start(t, "--root", t.TempDir(), "--anonymous", "rw", "--"+flag+"=300ms")
			wait(t, s)
		})
	}
}

// The program gives a stranger a minute, and the library's default is longer.
func TestLoginTimeoutByDefault(t *testing.T) {
	t.Parallel()
	if got := parse(t).config.Limits.LoginTime; got != time.Minute {
		t.Errorf("a stranger has %v", got)
	}
}
