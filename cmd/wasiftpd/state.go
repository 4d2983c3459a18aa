package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"wasiftp/host/quota"
)

// state is the private folder for what outlives the process: the counts of quotas, bans, and
// what hooks are to be told.
type state struct {
	given  string // "" for the usual one
	logger *slog.Logger

	mu  sync.Mutex
	dir string // "" until it is opened
}

// open returns the folder, which it makes if it is not there.
func (s *state) open() (dir string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		s.dir, err = stateDir(s.given, s.logger)
	}
	return s.dir, err
}

// openKept opens what a server keeps in its state folder: missing says that there is none.
func openKept[T any](given, missing string, open func(dir string) (T, error)) (kept T, err error) {
	dir, err := stateDir(given, slog.New(slog.DiscardHandler))
	if err != nil {
		return kept, err
	}
	if kept, err = open(dir); errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s in %s; choose the server's folder with --state-dir, or its configuration with --config", missing, dir)
	}
	return kept, err
}

func stateDir(given string, logger *slog.Logger) (string, error) {
	dir, err := privateDir(given, usualStates(), logger)
	if err != nil {
		return "", fmt.Errorf("there is no private folder for quotas, bans and the events of hooks: %w; choose one with --state-dir",
			err)
	}
	return dir, nil
}

func usualStates() []place { return usualPlaces(os.UserConfigDir, "STATE_DIRECTORY", "/var/lib") }

// needsState says whether the server may need the folder: a configuration file may ask for it
// later.
func (o *options) needsState() bool {
	return o.keepsBans || o.file != "" || o.quotaPerUser != quota.Limits{} || len(o.sources.given) > 0 && o.stateDir != ""
}
