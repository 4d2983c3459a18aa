package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"wasiftp/fsbridge"
)

// sweeper removes from folders, in the background, the unfinished uploads that a killed
// server left there.
type sweeper struct {
	ctx    context.Context // ends all sweeps
	logger *slog.Logger

	slots chan struct{} // bounds the sweeps at a time

	mu    sync.Mutex
	begun map[string]time.Time // when the latest sweep of a folder began
	busy  map[string]bool      // folders with a sweep under way
}

const (
	sweepTime    = time.Hour // between two sweeps of a folder
	sweepsAtOnce = 4
)

func newSweeper(ctx context.Context, logger *slog.Logger) *sweeper {
	return &sweeper{
		ctx: ctx, logger: logger, slots: make(chan struct{}, sweepsAtOnce),
		begun: map[string]time.Time{}, busy: map[string]bool{},
	}
}

// sweep starts a sweep of a folder, unless one is under way or one began in the last
// sweepTime.
func (s *sweeper) sweep(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if began, ok := s.begun[path]; s.busy[path] || ok && time.Since(began) < sweepTime {
		return
	}
	s.busy[path] = true
	go func() {
		s.slots <- struct{}{}
		began := time.Now()
		found := s.clear(path)
		<-s.slots
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.busy, path)
		if found {
			s.begun[path] = began
		}
	}()
}

// clear removes the unfinished uploads of a folder. It returns false if the folder can't
// be opened; a login to it logs the reason.
func (s *sweeper) clear(path string) bool {
	dir, err := folderAt(path, fsbridge.DirOptions{})
	if err != nil {
		return false
	}
	defer dir.Close()
	n, err := dir.Sweep(s.ctx)
	if n > 0 {
		s.logger.Info("unfinished uploads removed", "folder", path, "files", n)
	}
	if err != nil && s.ctx.Err() == nil {
		s.logger.Warn("unfinished uploads may be left", "folder", path, "err", err)
	}
	return true
}
