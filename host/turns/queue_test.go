package turns

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// scene is a queue whose places are held for as long as the test likes.
type scene struct {
	*Queue[string]
	mu     sync.Mutex
	served []string
	leave  []func()
}

// come has somebody of a key want a place, and waits until he has it or waits.
func (s *scene) come(ctx context.Context, key string) *error {
	result := new(error)
	go func() {
		leave, err := s.EnterFor(ctx, key, 0)
		if *result = err; err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.served, s.leave = append(s.served, key), append(s.leave, leave)
		}
	}()
	synctest.Wait()
	return result
}

// next has the one go who has had a place for longest.
func (s *scene) next() {
	leave := s.leave[0]
	s.leave = s.leave[1:]
	leave()
	synctest.Wait()
}

// rest has all go, and says who was served.
func (s *scene) rest() string {
	for len(s.leave) > 0 {
		s.next()
	}
	return strings.Join(s.served, "")
}

// stage runs a test with a queue.
func stage(t *testing.T, q *Queue[string], test func(*testing.T, *scene)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{Queue: q}
		test(t, s)
		if served := s.rest(); len(s.shares.held)+len(s.lines)+s.shares.Taken()+s.waiting+s.order.Len() != 0 {
			t.Errorf("after %s there is left: %d held, %d lines, %d taken, %d waiting",
				served, len(s.shares.held), len(s.lines), s.shares.Taken(), s.waiting)
		}
	})
}

func (s *scene) comeAll(t *testing.T, keys string) {
	for _, key := range strings.Split(keys, "") {
		s.come(t.Context(), key)
	}
}

func TestInTurnByKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, come, served string }{
		{"one after the other", "abc", "abc"},
		{"a crowd and one", "aaaab", "abaaa"},
		{"a crowd and two", "aaaabbc", "abcaba" + "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stage(t, &Queue[string]{}, func(t *testing.T, s *scene) {
				s.comeAll(t, c.come)
				if served := s.rest(); served != c.served {
					t.Errorf("served in the order %s, not %s", served, c.served)
				}
			})
		})
	}
}

// One who always comes again takes turns with a crowd.
func TestAgainAndAgain(t *testing.T) {
	stage(t, &Queue[string]{}, func(t *testing.T, s *scene) {
		s.comeAll(t, "aaaaaaaa")
		for range 4 {
			s.come(t.Context(), "b")
			s.next() // an a goes, and b has the place
			s.next()
		}
		if served := s.rest(); served != "abababab"+"aaaa" {
			t.Errorf("served in the order %s", served)
		}
	})
}

func TestPlaces(t *testing.T) {
	stage(t, &Queue[string]{Places: 3, PlacesPerKey: 2}, func(t *testing.T, s *scene) {
		s.comeAll(t, "aaa")
		if s.shares.Taken() != 2 {
			t.Errorf("one key has %d places, not 2", s.shares.Taken())
		}
		s.comeAll(t, "bc")
		if s.shares.Taken() != 3 || s.waiting != 2 {
			t.Errorf("%d places are taken and %d wait, not 3 and 2", s.shares.Taken(), s.waiting)
		}
		s.next() // an a goes; c is before the third a
		if got := strings.Join(s.served, ""); got != "aabc" {
			t.Errorf("served in the order %s", got)
		}
	})
}

// TestThreat44Spare: a key that keeps all the places that it can get leaves some for
// others, and who waits gets one in turn.
func TestThreat44Spare(t *testing.T) {
	stage(t, &Queue[string]{Places: 4, Spare: 2}, func(t *testing.T, s *scene) {
		s.comeAll(t, "aaaaabc")
		if got := strings.Join(s.served, ""); got != "aabc" {
			t.Fatalf("served in the order %s", got)
		}
		s.comeAll(t, "ccb")
		for i, want := range []string{"aabc" + "b", "aabcb", "aabcb" + "ac"} {
			s.Leave("baa"[i : i+1])
			synctest.Wait()
			slices.Sort(s.served[5:]) // those who are let in at once
			if got := strings.Join(s.served, ""); got != want {
				t.Errorf("served in the order %s, not %s", got, want)
			}
		}
		s.leave = s.leave[3:] // of those who have not left
	})
}

// Try takes a place, or does not wait for one.
func TestTry(t *testing.T) {
	stage(t, &Queue[string]{}, func(t *testing.T, s *scene) {
		if !s.Try("a") || s.Try("b") {
			t.Error("of one place the first gets none, or the second one")
		}
		s.Leave("a")
	})
}

// Who no longer wants a place holds nobody up.
func TestWhoWaitsCanGo(t *testing.T) {
	stage(t, &Queue[string]{}, func(t *testing.T, s *scene) {
		ctx, cancel := context.WithCancel(t.Context())
		s.come(t.Context(), "a")
		gone := s.come(ctx, "b")
		s.come(t.Context(), "c")
		cancel()
		synctest.Wait()
		if !errors.Is(*gone, context.Canceled) {
			t.Errorf("it is told %v", *gone)
		}
		if served := s.rest(); served != "ac" {
			t.Errorf("served in the order %s", served)
		}
	})
}

// Where there is no room to wait, the key of which most wait makes some.
func TestWaiting(t *testing.T) {
	stage(t, &Queue[string]{Waiting: 3}, func(t *testing.T, s *scene) {
		var told []*error
		for _, key := range strings.Split("aaaabbc", "") {
			told = append(told, s.come(t.Context(), key))
		}
		// The first a has the place and three wait. The first b takes the place of one,
		// the second would leave the a's no more than there are b's, and c takes another's.
		var turnedAway []int
		for i, err := range told {
			if errors.Is(*err, ErrFull) {
				turnedAway = append(turnedAway, i)
			}
		}
		if !slices.Equal(turnedAway, []int{2, 3, 5}) {
			t.Errorf("turned away were %v", turnedAway)
		}
		if served := s.rest(); served != "abca" {
			t.Errorf("served in the order %s", served)
		}
	})
}

// Whoever sits in a call of the disk does not keep the place.
func TestWhoIsStuck(t *testing.T) {
	stage(t, &Queue[string]{}, func(t *testing.T, s *scene) {
		leave, err := s.EnterFor(t.Context(), "a", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		s.come(t.Context(), "b")
		time.Sleep(time.Second)
		synctest.Wait()
		if len(s.served) != 1 || s.shares.Taken() != 1 {
			t.Errorf("%d others have a place, and %d places are taken", len(s.served), s.shares.Taken())
		}
		leave() // what it no longer has
		if s.shares.Taken() != 1 {
			t.Errorf("%d places are taken", s.shares.Taken())
		}
	})
}

func TestLeavingTwice(t *testing.T) {
	stage(t, &Queue[string]{}, func(t *testing.T, s *scene) {
		s.comeAll(t, "ab")
		leave := s.leave[0]
		s.next()
		leave()
		if s.shares.Taken() != 1 {
			t.Errorf("%d places are taken", s.shares.Taken())
		}
	})
}

func BenchmarkEnter(b *testing.B) {
	q := &Queue[string]{}
	for b.Loop() {
		q.Enter(b.Context(), "a")
		q.Leave("a")
	}
}
