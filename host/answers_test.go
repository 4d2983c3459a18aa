package host

import (
	"context"
	"errors"
	"testing"
)

// A server answers while each of its instances goes on, also one that has ended.
func TestAnswers(t *testing.T) {
	t.Parallel()
	s := &Server{}
	s.setup.Store(&setup{briefing: &briefing{}})
	runs, hangs := newShard(s), newShard(s)
	s.running.Add(2)
	s.shards = []*shard{runs}
	go runs.run()
	if err := s.Answers(t.Context()); err != nil {
		t.Errorf("one that rests: %v", err)
	}
	s.shards = append(s.shards, hangs)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Answers(over); !errors.Is(err, context.Canceled) {
		t.Errorf("one that does not go on: %v", err)
	}
	go hangs.run()
	if err := s.Answers(t.Context()); err != nil {
		t.Errorf("one that goes on again: %v", err)
	}
	for _, sh := range s.shards {
		sh.do(func() { sh.stop("") })
	}
	s.running.Wait()
	if err := s.Answers(over); err != nil {
		t.Errorf("two that have ended: %v", err)
	}
}
