package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"wasiftp/cmd/wasiftpd/admin"
)

// followed is something loaded from files, and loaded again when they change.
type followed interface {
	files() []string // their paths
	label() string   // names it in the log, as in "certificate"

	// load loads the files. changed says whether the outcome, be it a fault, differs from
	// that of the load before. After a fault the content stays as it was; after
	// errUnsettled the files are to be loaded again soon.
	load(logger *slog.Logger) (changed bool, err error)

	// logAttrs describe the latest load without a fault in the log.
	logAttrs() []any
}

// follower loads files again when they change, or at a hangup (SIGHUP).
type follower struct {
	all       []followed
	logger    *slog.Logger
	watcher   *fsnotify.Watcher      // nil where the system has none
	unwatched map[string]bool        // folders that can't be watched, of which the log tells
	manager   *manager               // is told of reloads at a hangup
	status    string                 // of the server, for the manager
	asks      chan chan admin.Reload // somebody asks for a reload, as by a hangup, and waits for its outcome
	unlock    func()                 // lets in whom an administrator has locked out
	faulty    atomic.Bool            // a file has a fault, and what was loaded before counts
	loaded    atomic.Int64           // when no file had a fault for the last time, in seconds since 1970
}

// ask has all files loaded again, and waits for the outcome.
func (f *follower) ask(ctx context.Context) (r admin.Reload, err error) {
	done := make(chan admin.Reload, 1)
	select {
	case f.asks <- done:
	case <-ctx.Done():
		return r, ctx.Err()
	}
	select {
	case sum := <-done: // with arrays, for JSON
		return admin.Reload{Loaded: append([]string{}, sum.Loaded...), Faults: append([]string{}, sum.Faults...)}, nil
	case <-ctx.Done():
		return r, ctx.Err()
	}
}

// settleTime is how long after the last change the files are read: a certificate
// and its key are written one after the other, and a file may be written in parts. While
// changes go on, the files are read every longestSettleTime.
const (
	settleTime        = 200 * time.Millisecond
	longestSettleTime = 10 * settleTime
)

// follow loads all files again when their folders change, or at a hangup, until ctx ends.
// It watches folders and not files, because most programs rename a new file, or a link to
// it, over the old one. It lets files settle at a hangup too: one may still be being written.
func (f *follower) follow(ctx context.Context, hangups <-chan os.Signal) {
	var changes <-chan fsnotify.Event
	var faults <-chan error
	if watcher, err := fsnotify.NewWatcher(); err != nil {
		f.logger.Warn("changes of files go unseen until SIGHUP", "err", err)
	} else {
		f.watcher, changes, faults = watcher, watcher.Events, watcher.Errors
		defer watcher.Close()
	}
	settled := time.After(0) // for changes before the folders were watched
	var first time.Time
	asked := false
	var waiting []chan admin.Reload
	var sum admin.Reload
	for {
		select {
		case <-ctx.Done():
			return
		case <-settled:
			settled = nil
			if f.reload(asked, &sum) {
				if asked {
					f.unlock()
					f.manager.ready(f.status)
				}
				for _, done := range waiting {
					done <- sum
				}
				asked, waiting, sum = false, nil, admin.Reload{}
				continue
			}
		case err := <-faults:
			f.logger.Warn("changes of files may have been missed", "err", err)
		case <-hangups:
			asked = true
			f.manager.reloading()
		case done := <-f.asks:
			asked = true
			waiting = append(waiting, done)
			f.manager.reloading()
		case <-changes:
		}
		if settled == nil {
			first = time.Now()
		}
		settled = time.After(min(settleTime, longestSettleTime-time.Since(first)))
	}
}

// watch watches the folder of each file and, if the file is a link, of its target. It
// begins anew each time, because a folder may have been replaced.
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
	if err != nil && !f.unwatched[dir] {
		f.logger.Warn("changes of files go unseen until SIGHUP", "folder", dir, "err", err)
	}
	f.unwatched[dir] = err != nil
}

// reload loads all files again, logs the outcome and adds it to sum. asked is for a hangup,
// which always gets an answer in the log: old faults too, or that nothing has changed. reload
// returns false if a file has not settled.
func (f *follower) reload(asked bool, sum *admin.Reload) (done bool) {
	f.watch()
	done = true
	told, loaded, faulty := false, false, false
	for _, one := range f.all {
		changed, err := one.load(f.logger)
		faulty = faulty || err != nil && err != errUnsettled
		switch {
		case err == errUnsettled:
			done = false
			continue
		case !changed && (err == nil || !asked):
			continue
		case err == nil:
			f.logger.Info(one.label()+" loaded", one.logAttrs()...)
			sum.Loaded = append(sum.Loaded, one.label())
			loaded = true
		default:
			for fault := range strings.SplitSeq(err.Error(), "\n") {
				f.logger.Warn("the old "+one.label()+" stays", "err", fault)
				sum.Faults = append(sum.Faults, fault)
			}
		}
		told = true
	}
	if loaded {
		f.watch() // the configuration may name other files now
		faulty = f.retry()
	}
	if done {
		f.outcome(faulty)
	}
	if asked && done && !told {
		f.logger.Info("no file has changed since it was loaded")
	}
	return done
}

// outcome keeps for metrics whether a file has a fault.
func (f *follower) outcome(faulty bool) {
	f.faulty.Store(faulty)
	if !faulty {
		f.loaded.Store(time.Now().Unix())
	}
}

// retry loads again what may have failed before another file was loaded, as a user may have
// moved from one file to the other, or have changed before it was watched. It returns whether
// a file has a fault.
func (f *follower) retry() (faulty bool) {
	for _, one := range f.all {
		changed, err := one.load(f.logger)
		if changed && err == nil {
			f.logger.Info(one.label()+" loaded", one.logAttrs()...)
		}
		faulty = faulty || err != nil && err != errUnsettled
	}
	return faulty
}

// warnUnreadable warns of the files that the process can't load again as user, the one of
// --run-as. Their content stays as it was loaded.
func (f *follower) warnUnreadable(user string) {
	for _, one := range f.all {
		for _, file := range one.files() {
			content, err := os.Open(file)
			if err != nil {
				f.logger.Warn("a change of the "+one.label()+" is seen at the next start only: the user of --run-as can't read it",
					"file", file, "user", user, "err", err)
				one.load(f.logger) // so that the fault is not told again until somebody asks
				continue
			}
			content.Close()
		}
	}
}

var errUnsettled = errors.New("the file was written to a moment ago")

// unsettled says whether a file was written to a moment ago, so that its content may be
// incomplete. Half a certificate can't be loaded, but half a list can.
func unsettled(file string) bool {
	info, err := os.Stat(file)
	return err == nil && time.Since(info.ModTime()).Abs() < settleTime
}
