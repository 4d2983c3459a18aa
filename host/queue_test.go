package host

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// newTeller is a server with a queue and nothing else.
func newTeller(observer Observer, logger *slog.Logger) *Server {
	s := &Server{queue: newQueue(logger.Handler())}
	s.setup.Store(&setup{Config: Config{Observer: observer}})
	s.logger = slog.New(queued{s.queue, s.queue.handler})
	go s.deliver()
	return s
}

// pace has an observer take one event at a time.
type pace struct {
	gate chan struct{}
	told []Event
}

func (p *pace) Observe(e Event) {
	<-p.gate
	p.told = append(p.told, e)
}

// Events and records come in the order in which they happened. Dropped ones are counted
// where they are missing.
func TestThreat40QueueIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path  string
		fit   int // besides the one in delivery
		total int
	}{
		"by their number":      {"/f", mostWaiting, mostWaiting + 10},
		"by the names in them": {strings.Repeat("x", mostNames/8), 8, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log record
				p := &pace{gate: make(chan struct{})}
				s := newTeller(p, log.logger())
				s.observe(Event{Kind: Connected})
				synctest.Wait() // that one is being told
				for range c.total {
					s.observe(Event{Kind: Uploaded, Path: c.path})
				}
				s.logger.Info("too late")
				close(p.gate)
				synctest.Wait()
				s.observe(Event{Kind: Disconnected})
				s.logger.Info("in time")
				s.queue.close(closeTime)
				if len(p.told) != 1+c.fit+2 {
					t.Fatalf("%d events are told", len(p.told))
				}
				if gap := p.told[1+c.fit]; gap.Kind != Dropped || gap.Count != c.total-c.fit || gap.Time.IsZero() {
					t.Errorf("the gap is %+v", gap)
				}
				if text := log.String(); strings.Contains(text, "too late") || !strings.Contains(text, "records=1\n") ||
					!strings.HasSuffix(text, "msg=\"in time\"\n") {
					t.Errorf("the log is\n%s", text)
				}
			})
		})
	}
}

// An event with longer names than may wait is delivered all the same if nothing else waits.
func TestQueueTakesOneOfAnySize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := 0
		s := newTeller(ObserverFunc(func(Event) { told++ }), slog.New(slog.DiscardHandler))
		for range 3 {
			s.observe(Event{Path: strings.Repeat("x", 2*mostNames)})
			synctest.Wait()
		}
		s.queue.close(closeTime)
		if told != 3 {
			t.Errorf("%d are told", told)
		}
	})
}

// All events are delivered before close returns, unless the observer hangs: then close waits
// for its time, and nothing is delivered after that.
func TestQueueEnds(t *testing.T) {
	t.Parallel()
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := &pace{gate: make(chan struct{})}
			s := newTeller(p, slog.New(slog.DiscardHandler))
			for range 100 {
				s.observe(Event{Kind: Uploaded})
			}
			go func() {
				for range 100 {
					if time.Sleep(time.Millisecond); !hangs {
						p.gate <- struct{}{}
					}
				}
			}()
			began, want := time.Now(), 100
			s.queue.close(closeTime)
			if hangs {
				if took := time.Since(began); took != closeTime {
					t.Errorf("the end took %v", took)
				}
				p.gate <- struct{}{}
				synctest.Wait()
				want = 1
			}
			if len(p.told) != want {
				t.Errorf("%d are told", len(p.told))
			}
		})
	}
}

// A log that fails is told how many records it has missed when it works again.
func TestThreat40LogThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log record
		broken := true
		s := newTeller(nil, slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
			if broken {
				panic("no paper")
			}
			return log.Write(p)
		}), nil)))
		say := func(word string) {
			s.logger.Info(word)
			synctest.Wait()
		}
		say("one")
		say("two")
		broken = false
		say("three")
		s.queue.close(closeTime)
		if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "msg=three\n") ||
			!strings.HasSuffix(text, "records=2\n") {
			t.Errorf("the log is\n%s", text)
		}
	})
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A server at its usual work allocates nothing for events.
func TestQueueAllocatesNothing(t *testing.T) {
	told := make(chan struct{})
	s := newTeller(ObserverFunc(func(Event) { told <- struct{}{} }), slog.New(slog.DiscardHandler))
	defer s.queue.close(closeTime)
	once := func() {
		s.observe(Event{Kind: Downloaded, Path: "/f", User: "u"})
		<-told
	}
	once()
	once()
	if n := testing.AllocsPerRun(100, once); n > 0 {
		t.Errorf("%v allocations an event", n)
	}
}
