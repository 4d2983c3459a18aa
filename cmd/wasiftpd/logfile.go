package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
)

// logFile is a file that lines are appended to. When another file has taken its place, or is
// to, the lines go to that one: so a program that rotates logs needs to tell nobody.
type logFile struct {
	path   string
	logger *slog.Logger // for faults; writes elsewhere
	asked  atomic.Bool  // reopen was called
	made   bool         // the file was missing, and is ours

	mu    sync.Mutex // held while the disk works
	file  *os.File
	info  fs.FileInfo
	stuck bool // the log has been told that the new file can't be opened
}

var errNoFile = &fs.PathError{Op: "open", Err: errors.New("it is no regular file")}

func openLogFile(path string, logger *slog.Logger) (*logFile, error) {
	l := &logFile{path: path, logger: logger}
	var fresh fs.FileInfo
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err == nil {
		fresh, err = f.Stat()
		f.Close()
	}
	made := err == nil
	if l.file, l.info, err = openToAppend(path); err != nil {
		return nil, err
	}
	l.made = made && os.SameFile(fresh, l.info) // nobody has put another file there meanwhile
	return l, nil
}

// openToAppend opens a regular file, which it makes if it is missing.
func openToAppend(path string) (*os.File, fs.FileInfo, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, nil, errNoFile // opening a pipe would wait for a reader
	}
	f, err := appendTo(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// Write implements [io.Writer].
func (l *logFile) Write(lines []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.follow()
	return l.file.Write(lines)
}

// reopen has the lines go to the file that is at the path. If the disk works on a line now,
// the next one sees to that.
func (l *logFile) reopen() {
	l.asked.Store(true)
	if l.mu.TryLock() {
		defer l.mu.Unlock()
		l.follow()
	}
}

// follow opens the file that is at the path, if that is another one. Until that succeeds, the
// lines go on to the old one. Callers hold l.mu.
func (l *logFile) follow() {
	asked := l.asked.Swap(false)
	if info, err := os.Stat(l.path); !asked && err == nil && os.SameFile(info, l.info) {
		return
	}
	file, info, err := openToAppend(l.path)
	if err != nil {
		if !l.stuck {
			l.logger.Warn("the log goes on into its old file, for the new one can't be opened", "file", l.path, "err", err)
		}
		l.stuck = true
		return
	}
	l.file.Close()
	l.file, l.info, l.stuck = file, info, false
}

// entrust gives a file that we have made to another user.
func (l *logFile) entrust(uid, gid int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.made {
		return nil
	}
	return l.file.Chown(uid, gid)
}

func (l *logFile) close() {
	if l.mu.TryLock() { // else its disk hangs
		defer l.mu.Unlock()
		l.file.Close()
	}
}
