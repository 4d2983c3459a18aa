package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"wasiftp/fsbridge"
)

// sweeper removes from folders what uploads have left there that broke off with
// the server, in the background.
type sweeper struct {
	ctx    context.Context // ends it
	logger *slog.Logger

	slots chan struct{} // bound the folders that are looked through at a time

	mu    sync.Mutex
	begun map[string]time.Time // when a folder was last looked through
	busy  map[string]bool
}

const (
	sweepTime    = time.Hour // how long a folder is left alone that was looked through
	sweepsAtOnce = 4
)

func newSweeper(ctx context.Context, logger *slog.Logger) *sweeper {
	return &sweeper{ctx: ctx, logger: logger, slots: make(chan struct{}, sweepsAtOnce), begun: map[string]time.Time{}, busy: map[string]bool{}}
}

// sweep looks through a folder, unless that is being done or was done of late.
func (s *sweeper) sweep(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if began, ok := s.begun[path]; s.busy[path] || ok && time.Since(began) < sweepTime {
		return
	}
	s.begun[path], s.busy[path] = time.Now(), true
	go func() {
		s.slots <- struct{}{}
		s.clear(path)
		<-s.slots
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.busy, path)
	}()
}

func (s *sweeper) clear(path string) {
	dir, err := openFolder(path, fsbridge.DirOptions{})
	if err != nil {
		return // whoever logs in is told
	}
	defer dir.Close()
	n, err := dir.Sweep(s.ctx)
	if n > 0 {
		s.logger.Info("unfinished uploads removed", "folder", path, "files", n)
	}
	if err != nil && s.ctx.Err() == nil {
		s.logger.Warn("unfinished uploads may be left", "folder", path, "err", err)
	}
}
