package main

import (
	"context"
	"errors"
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
	// last time, a fault too. After a fault all is as it was; after errInWriting it
	// is to be loaded again soon.
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
	settled := time.After(0) // what changed before it was watched
	var first time.Time
	asked := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-settled:
			settled = nil
			if f.reload(asked) {
				asked = false
				continue
			}
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

// watch watches the folders of all files and, of links, those of what they lead to.
// It begins anew each time: another folder may have taken the place of one.
func (f *follower) watch() {
	if f.watcher == nil {
		return
	}
	for _, dir := range f.watcher.WatchList() {
		f.watcher.Remove(dir)
	}
	for _, one := range f.all {
		for _, file := range one.files() {
			f.watchFolder(filepath.Dir(file))
			if real, err := filepath.EvalSymlinks(file); err == nil {
				f.watchFolder(filepath.Dir(real))
			}
		}
	}
}

func (f *follower) watchFolder(dir string) {
	err := f.watcher.Add(dir)
	if err != nil && !f.unseen[dir] {
		f.logger.Warn("changes of files go unseen until SIGHUP", "folder", dir, "err", err)
	}
	f.unseen[dir] = err != nil
}

// reload loads all again, and tells what came of it. Where somebody has asked for
// it he gets an answer, and hears of old faults too. It reports false when a file is
// still in writing.
func (f *follower) reload(asked bool) (done bool) {
	f.watch()
	done = true
	told := false
	for _, one := range f.all {
		changed, err := one.load(f.logger)
		switch {
		case err == errInWriting:
			done = false
			continue
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
	if asked && done && !told {
		f.logger.Info("no file has changed since it was loaded")
	}
	return done
}

// tellUnreadable tells of the files that can't be loaded again by who the process is
// now. What was loaded of them stays.
func (f *follower) tellUnreadable(user string) {
	for _, one := range f.all {
		for _, file := range one.files() {
			content, err := os.Open(file)
			if err != nil {
				f.logger.Warn("a change of the "+one.what()+" is seen at the next start only: the user of --run-as can't read it",
					"file", file, "user", user, "err", err)
				one.load(f.logger) // so that the fault is not told again until somebody asks
				continue
			}
			content.Close()
		}
	}
}

var errInWriting = errors.New("the file is in writing")

// inWriting says whether a file was written to a moment ago, so that what was read
// of it may be a part. Half a certificate is none, but half a list is another list.
func inWriting(file string) bool {
	info, err := os.Stat(file)
	return err == nil && time.Since(info.ModTime()).Abs() < settleTime
}
