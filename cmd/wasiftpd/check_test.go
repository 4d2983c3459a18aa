package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"wasiftp/host"
)

// heldSecret is a secret whose checks last until the test answers them.
type heldSecret struct {
	mu     sync.Mutex
	asked  []string // the passwords, in the order of their turns
	answer chan bool
}

func (s *heldSecret) matches(password string) (bool, error) {
	s.mu.Lock()
	s.asked = append(s.asked, password)
	s.mu.Unlock()
	return <-s.answer, nil
}

// siege is a roster whose one user has a held secret, and the logins to it.
type siege struct {
	*roster
	secret *heldSecret
	told   map[string]error // how each login ended, by password
}

func besieged(t *testing.T, test func(*testing.T, *siege)) {
	t.Helper()
	r := openAccounts(t, "--root", t.TempDir(), "--anonymous", "ro")
	synctest.Test(t, func(t *testing.T) {
		s := &siege{r, &heldSecret{answer: make(chan bool)}, map[string]error{}}
		alice := entry{name: "alice", root: r.options.Load().root, rights: host.ReadOnly, secret: s.secret}
		if err := r.current.Load().add(alice); err != nil {
			t.Fatal(err)
		}
		r.checks.Places = 1
		test(t, s)
		for s.fails() {
		}
	})
}

// fails answers the running check with a denial, and says whether there was one.
func (s *siege) fails() bool {
	synctest.Wait()
	select {
	case s.secret.answer <- false:
		return true
	default:
		return false
	}
}

// try starts a login with a password from an address, and returns when it waits.
func (s *siege) try(ctx context.Context, from, password string) {
	client := netip.AddrPortFrom(netip.MustParseAddr(from), 5000)
	login := host.Login{User: "alice", Password: host.Password(password), Client: client}
	go func() {
		account, err := s.Authenticate(ctx, login)
		if err == nil {
			account.Close()
		}
		s.secret.mu.Lock()
		defer s.secret.mu.Unlock()
		s.told[password] = err
	}()
	synctest.Wait()
}

// However many checks of some addresses wait, one from elsewhere waits for one of each.
func TestThreat35PasswordsInTurn(t *testing.T) {
	t.Parallel()
	besieged(t, func(t *testing.T, s *siege) {
		for i := range 20 {
			s.try(t.Context(), "192.0.2.1", fmt.Sprint("guess", i))
			s.try(t.Context(), fmt.Sprintf("2001:db8::%x", i), fmt.Sprint("six", i)) // one subscriber has all of these
		}
		s.try(t.Context(), "192.0.2.9", "right")
		for range 4 {
			s.secret.answer <- false
			synctest.Wait()
		}
		if at := strings.Join(s.secret.asked, " "); at != "guess0 six0 right guess1 six1" {
			t.Errorf("the turns are %s", at)
		}
	})
}

func TestThreat35PasswordsLeaveAProcessor(t *testing.T) {
	t.Parallel()
	if want := max(runtime.GOMAXPROCS(0)-1, 1); newChecks().Places != want {
		t.Errorf("%d passwords are checked at a time, not %d", newChecks().Places, want)
	}
	besieged(t, func(t *testing.T, s *siege) {
		s.checks.Places = 2
		for i := range 5 {
			s.try(t.Context(), fmt.Sprintf("192.0.2.%d", i), fmt.Sprint(i))
		}
		if len(s.secret.asked) != 2 {
			t.Errorf("%d are checked at a time, not 2", len(s.secret.asked))
		}
	})
}

// When too many checks wait, the address that has most loses its latest. That login is
// told that the server is busy, and not that the password is wrong.
func TestThreat35PasswordsWaiting(t *testing.T) {
	t.Parallel()
	besieged(t, func(t *testing.T, s *siege) {
		for i := range waitingChecks + 2 { // one is at work, and one is too many
			s.try(t.Context(), "192.0.2.1", fmt.Sprint("guess", i))
		}
		last := fmt.Sprint("guess", waitingChecks+1)
		if err := s.told[last]; !errors.Is(err, host.ErrBusy) || errors.Is(err, host.ErrDenied) {
			t.Errorf("one too many is told %v", err)
		}
		s.try(t.Context(), "192.0.2.9", "right")
		if err, told := s.told["right"]; told {
			t.Errorf("one from elsewhere is told %v", err)
		}
		if err := s.told[fmt.Sprint("guess", waitingChecks)]; !errors.Is(err, host.ErrBusy) {
			t.Errorf("who makes room is told %v", err)
		}
	})
}

// A session that has ended gives up its turn.
func TestThreat35PasswordsOfWhoHasGone(t *testing.T) {
	t.Parallel()
	besieged(t, func(t *testing.T, s *siege) {
		s.try(t.Context(), "192.0.2.1", "first")
		ctx, cancel := context.WithCancel(t.Context())
		s.try(ctx, "192.0.2.2", "gone")
		s.try(t.Context(), "192.0.2.3", "last")
		cancel()
		synctest.Wait()
		s.secret.answer <- false
		synctest.Wait()
		if at := strings.Join(s.secret.asked, " "); at != "first last" || !errors.Is(s.told["gone"], context.Canceled) {
			t.Errorf("the turns are %s; who has gone is told %v", at, s.told["gone"])
		}
	})
}
