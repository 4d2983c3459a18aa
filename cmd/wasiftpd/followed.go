package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// followed is what is loaded from files, and again when they change.
type followed interface {
	// files are what it is loaded from, and what says what that is.
	files() []string
	what() string

	// load loads it. changed says whether what came of that is other than the
	// last time, a fault too. After a fault all is as it was.
	load(logger *slog.Logger) (changed bool, err error)

	// news are what the latest load without a fault brought, for the log.
	news() []any
}

// follower loads what it follows again when a file changes, or at a hangup.
type follower struct {
	all     []followed
	logger  *slog.Logger
	watcher *fsnotify.Watcher // nil where the system has none
	unseen  map[string]bool   // folders that can't be watched, which was told
}

// settleTime is how long after the last change the files are read: a certificate
// and its key come one after the other, and a file may be written in parts. Where
// changes never end, they are read every longestSettleTime.
const (
	settleTime        = 200 * time.Millisecond
	longestSettleTime = 10 * settleTime
)

// follow loads all again when its folders change, or at a hangup, until ctx ends.
// The folders and not the files are watched, because new files are mostly renamed
// over old ones, or links to them are. At a hangup, too, a file may still be in
// writing.
func (f *follower) follow(ctx context.Context, hangups <-chan os.Signal) {
	var changes <-chan fsnotify.Event
	var faults <-chan error
	if watcher, err := fsnotify.NewWatcher(); err != nil {
		f.logger.Warn("changes of files go unseen until SIGHUP", "err", err)
	} else {
		f.watcher, changes, faults = watcher, watcher.Events, watcher.Errors
		defer watcher.Close()
	}
	f.reload(false) // what changed before it was watched
	var settled <-chan time.Time
	var first time.Time
	asked := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-settled:
			f.reload(asked)
			settled, asked = nil, false
			continue
		case err := <-faults:
			f.logger.Warn("changes of files may have been missed", "err", err)
		case <-hangups:
			asked = true
		case <-changes:
		}
		if settled == nil {
			first = time.Now()
		}
		settled = time.After(min(settleTime, longestSettleTime-time.Since(first)))
	}
}

// watch watches the folders of all files. It begins anew each time: another folder
// may have taken the place of one.
func (f *follower) watch() {
	fresh := map[string]bool{}
	for _, one := range f.all {
		for _, file := range one.files() {
			dir := filepath.Dir(file)
			if f.watcher == nil || fresh[dir] {
				continue
			}
			fresh[dir] = true
			f.watcher.Remove(dir)
			err := f.watcher.Add(dir)
			if err != nil && !f.unseen[dir] {
				f.logger.Warn("changes of a file go unseen until SIGHUP", "file", file, "err", err)
			}
			f.unseen[dir] = err != nil
		}
	}
}

// reload loads all again, and tells what came of it. Where somebody has asked for
// it he gets an answer, and hears of old faults too.
func (f *follower) reload(asked bool) {
	f.watch()
	told := false
	for _, one := range f.all {
		changed, err := one.load(f.logger)
		switch {
		case !changed && (err == nil || !asked):
			continue
		case err == nil:
			f.logger.Info(one.what()+" loaded", one.news()...)
		default:
			for fault := range strings.SplitSeq(err.Error(), "\n") {
				f.logger.Warn("the old "+one.what()+" stays", "err", fault)
			}
		}
		told = true
	}
	if asked && !told {
		f.logger.Info("no file has changed since it was loaded")
	}
}
