package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"strings"
	"time"

	"wasiftp/host"
)

// newLogger makes a logger that writes records to w, as JSON if format is "json" and else
// as text. Both handlers quote or escape whatever a client can put into a name, so that
// an event is always one record.
func newLogger(w io.Writer, format string) *slog.Logger {
	w = &logWriter{to: w}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// logWriter begins a new line after a record that a full disk has cut short. A call of
// Write writes whole lines, and one is made at a time.
type logWriter struct {
	to  io.Writer
	cut bool
}

func (w *logWriter) Write(lines []byte) (int, error) {
	begun := 0 // bytes before the lines
	if w.cut {
		lines, begun = append([]byte{'\n'}, lines...), 1
	}
	n, err := w.to.Write(lines)
	if n > 0 {
		w.cut = lines[n-1] != '\n'
	}
	return max(0, n-begun), err
}

// observer logs what happens: a line for each event.
type observer struct{ *slog.Logger }

// levels are those of the events that are not logged at level Info. Those at Debug are
// not logged: a client causes them many times a minute without touching a file.
var levels = map[host.EventKind]slog.Level{
	host.Connected: slog.LevelDebug, host.Listed: slog.LevelDebug,
	host.Refused: slog.LevelWarn, host.LoginFailed: slog.LevelWarn,
	host.UploadFailed: slog.LevelWarn, host.DataRefused: slog.LevelWarn, host.Forbidden: slog.LevelWarn,
	host.Dropped: slog.LevelWarn, host.Banned: slog.LevelWarn,
}

// byStranger says whether anybody can cause an event as often as he likes. An anonymous
// user is a stranger too, except for what he does to files.
func byStranger(e host.Event) bool {
	if errors.As(e.Err, new(*refusal)) || errors.As(e.Err, new(answerFault)) {
		return false // who knows the password is none
	}
	switch e.Kind {
	case host.Connected, host.Refused, host.LoginFailed, host.DataRefused:
		return true
	case host.LoggedIn, host.LoggedOut, host.Disconnected:
		name, _, _ := strings.Cut(e.User, "@") // without the virtual host
		return name == "" || isAnonymous(name)
	}
	return false
}

// Observe implements [host.Observer].
func (o observer) Observe(e host.Event) {
	level, ctx := levels[e.Kind], always
	if byStranger(e) {
		ctx = context.Background()
	}
	if !o.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.Uint64("session", e.Session), slog.String("client", e.Client.String())}
	switch {
	case e.Kind == host.Dropped:
		attrs = []slog.Attr{slog.Int("events", e.Count)}
	case e.Ban != nil:
		attrs = []slog.Attr{slog.String("network", e.Ban.Network.String()), slog.Int("failures", e.Ban.Failures),
			slog.Time("until", e.Ban.Until.Round(time.Second))}
	}
	add := func(given bool, a slog.Attr) {
		if given {
			attrs = append(attrs, a)
		}
	}
	transfer := e.Kind == host.Downloaded || e.Kind == host.Uploaded || e.Kind == host.UploadFailed || e.Kind == host.Copied
	add(e.User != "", slog.String("user", e.User))
	add(e.Kind == host.Disconnected && e.Program != "", slog.String("program", e.Program)) // known by then, and said once
	add(e.Path != "", slog.String("path", e.Path))
	add(e.Asked != "", slog.String("asked", e.Asked))
	add(e.To != "", slog.String("to", e.To))
	add(e.Data.IsValid(), slog.String("data", e.Data.String()))
	add(transfer, slog.Int64("bytes", e.Bytes))
	add(transfer || e.Duration != 0, slog.Float64("seconds", math.Round(e.Duration.Seconds()*1000)/1000))
	add(transfer, slog.Bool("complete", e.Err == nil && e.Kind != host.UploadFailed))
	add(e.TLS && e.Kind == host.Uploaded, slog.Bool("tls_closed", e.TLSClosed))
	if e.Err != nil {
		attrs = append(attrs, slog.String("err", e.Err.Error()))
	}
	at := cmp.Or(e.Time, time.Now()) // the event may have waited
	record := slog.NewRecord(at, level, e.Kind.String(), 0)
	record.AddAttrs(attrs...)
	o.Handler().Handle(ctx, record)
}
