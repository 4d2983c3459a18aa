package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"
)

// logOptions are the values of the flags about logs.
type logOptions struct {
	format    string // text, json, or "" for text or the journal
	level     slog.Level
	file      string // "" is stderr
	transfers string // the transfer log, "" for none
}

func (o *logOptions) addTo(f *pflag.FlagSet) {
	f.Func("log-format", "write the log as `text|json` (default text, but fields of the journal\nwhere systemd takes stderr for it)",
		oneOf(&o.format, "text", "json"))
	f.Func("log-level", "log from `debug|info|warn|error` on (default info)", o.setLevel)
	f.StringVar(&o.file, "log-file", "", "log to `FILE` and not to stderr. It is opened anew when another file\n"+
		"takes its place, and on SIGUSR1")
	f.StringVar(&o.transfers, "transfer-log", "", "write a line in the format of xferlog to `FILE` for each transfer\n"+
		"of a file, and each deleted one")
}

func (o *logOptions) setLevel(s string) error {
	names := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	level, ok := names[s]
	if !ok {
		return fmt.Errorf("%q is none of debug, info, warn, error", s)
	}
	o.level = level
	return nil
}

// logs are where the server writes what happens. No session waits for any of them.
type logs struct {
	level     *slog.LevelVar
	logger    *slog.Logger
	transfers *transferLog // nil for none
	files     []*logFile
	ends      []func(time.Duration)       // write what waits
	lost      map[string][]*atomic.Uint64 // lines, by the name of their log
}

// openLogs opens the logs that o names. What goes wrong with a file is told on stderr.
func (p *program) openLogs(o *options) (*logs, error) {
	l := &logs{level: new(slog.LevelVar), lost: map[string][]*atomic.Uint64{}}
	l.level.Set(o.log.level)
	var handler slog.Handler
	var send func(entryOfJournal) error
	if o.log.file == "" && p.journal != nil {
		send = p.journal(o.log.format)
	}
	if send != nil {
		o.journaled = true
		j := newJournal(send)
		l.ends = append(l.ends, j.close)
		l.lost["log"] = append(l.lost["log"], &j.lost)
		handler = j
	} else {
		stderr := newBacklog(p.stderr, o.log.format)
		l.ends = append(l.ends, stderr.close)
		l.lost["log"] = append(l.lost["log"], &stderr.lost)
		handler = stderr.logger(o.log.format).Handler()
	}
	l.logger = slog.New(leveled{handler, l.level})
	if err := l.openFiles(o); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *logs) openFiles(o *options) error {
	if o.log.file != "" {
		lines, err := l.open(o.log.file, o.log.format, "log-file")
		if err != nil {
			return err
		}
		l.lost["log"] = append(l.lost["log"], &lines.lost)
		l.logger = slog.New(leveled{lines.logger(o.log.format).Handler(), l.level})
	}
	if o.log.transfers != "" {
		lines, err := l.open(o.log.transfers, noNotices, "transfer-log")
		if err != nil {
			return err
		}
		l.lost["transfer log"] = append(l.lost["transfer log"], &lines.lost)
		l.transfers = &transferLog{to: lines}
	}
	return nil
}

// open opens a file of lines. Its faults are told in the log as it is now.
func (l *logs) open(path, format, key string) (*backlog, error) {
	file, err := openLogFile(path, l.logger)
	if err != nil {
		return nil, unwritable(key, path, err)
	}
	l.files = append(l.files, file)
	lines := newBacklogOf(file, format, &outage{logger: l.logger, file: path})
	l.ends = append(l.ends, func(within time.Duration) {
		lines.close(within)
		file.close()
	})
	return lines, nil
}

func unwritable(key, path string, err error) error {
	return blame(key, path, fmt.Errorf("cannot write %s: %w; give another file with --%s", path, errors.Unwrap(err), key))
}

// check finds that a file can't be written. It makes none.
func (o *logOptions) check() error {
	check := func(key, path string) error {
		if path == "" {
			return nil
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			_, err = os.Stat(filepath.Dir(path))
		case err == nil && !info.Mode().IsRegular():
			err = errNoFile
		case err == nil:
			var file *os.File
			if file, err = os.OpenFile(path, os.O_WRONLY, 0); err == nil {
				file.Close()
			}
		}
		if err != nil {
			return unwritable(key, path, err)
		}
		return nil
	}
	return errors.Join(check("log-file", o.file), check("transfer-log", o.transfers))
}

// reopen opens the files anew whenever a signal comes, until ctx ends.
func (l *logs) reopen(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			for _, file := range l.files {
				file.reopen()
			}
		}
	}
}

// close waits until all lines are written, but not for ever. The last ones opened go first,
// for they tell their faults to the others.
func (l *logs) close() {
	for i := len(l.ends) - 1; i >= 0; i-- {
		l.ends[i](flushTime)
	}
}

// leveled is a handler with a level that may change.
type leveled struct {
	slog.Handler
	least slog.Leveler
}

// Enabled implements [slog.Handler].
func (h leveled) Enabled(_ context.Context, level slog.Level) bool { return level >= h.least.Level() }

// WithAttrs implements [slog.Handler].
func (h leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{h.Handler.WithAttrs(attrs), h.least}
}

// WithGroup implements [slog.Handler].
func (h leveled) WithGroup(name string) slog.Handler {
	return leveled{h.Handler.WithGroup(name), h.least}
}

// outage tells once that a file takes no lines, and once that it does again.
type outage struct {
	logger *slog.Logger // writes elsewhere
	file   string
	begun  bool
}

func (o *outage) begin(err error) {
	if o == nil || o.begun {
		return
	}
	o.begun = true
	o.logger.Warn("lines of a log are lost, for its file does not take them", "file", o.file, "err", err)
}

func (o *outage) end(lines int) {
	if o == nil || !o.begun {
		return
	}
	o.begun = false
	o.logger.Warn("the file of a log takes lines again", "file", o.file, "lines lost", lines)
}

var errSlow = errors.New("the file is too slow, or its disk hangs")
