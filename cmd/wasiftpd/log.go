package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/netip"
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

// observers get each event one after the other.
type observers []host.Observer

// Observe implements [host.Observer].
func (all observers) Observe(e host.Event) {
	for _, o := range all {
		o.Observe(e)
	}
}

// observer logs what happens: a line for each event.
type observer struct {
	*slog.Logger
	event *host.Event // the latest; a record of it is written before the next one comes
}

func newObserver(to *slog.Logger) observer { return observer{to, new(host.Event)} }

// levels are those of the events that are not logged at level Info. A client causes those
// at Debug many times a minute without touching a file.
var levels = [math.MaxUint8 + 1]slog.Level{
	host.Connected: slog.LevelDebug, host.Listed: slog.LevelDebug,
	host.Refused: slog.LevelWarn, host.LoginFailed: slog.LevelWarn,
	host.UploadFailed: slog.LevelWarn, host.DataRefused: slog.LevelWarn, host.Forbidden: slog.LevelWarn,
	host.Dropped: slog.LevelWarn, host.Banned: slog.LevelWarn,
	host.TLSFailed: slog.LevelWarn, host.Unreached: slog.LevelWarn,
}

// levelOf is the level of an event. What broke off is a warning, whichever way the bytes went.
func levelOf(e *host.Event) slog.Level {
	if e.Err != nil && (e.Kind == host.Downloaded || e.Kind == host.Copied || e.Kind == host.Hashed) {
		return slog.LevelWarn
	}
	return levels[e.Kind]
}

// message is the text of an event's record.
func message(e *host.Event) string {
	if e.Kind == host.Downloaded && e.Err != nil {
		return "download failed"
	}
	return e.Kind.String()
}

// allowance is how many records of an event's kind pass within quietTime before they are
// only counted: of what users do to files, all. An anonymous user is a stranger too, except
// for that. A few failed logins pass, for fail2ban counts them.
func allowance(e *host.Event) context.Context {
	name, _, _ := strings.Cut(e.User, "@") // without the virtual host
	stranger := name == "" || isAnonymous(name)
	switch e.Kind {
	case host.LoginFailed:
		if errors.As(e.Err, new(*refusal)) || errors.As(e.Err, new(answerFault)) {
			return always // who knows the password is no stranger
		}
		return some
	case host.Rejected:
		if !stranger {
			return many
		}
		return once
	case host.Connected, host.Refused, host.DataRefused, host.TLSFailed, host.Unreached:
		return once
	case host.LoggedIn, host.LoggedOut, host.Disconnected:
		if stranger {
			return once
		}
	}
	return always
}

// isTransfer says whether an event ends the transfer of a file.
func isTransfer(k host.EventKind) bool {
	return k == host.Downloaded || k == host.Uploaded || k == host.UploadFailed
}

// Observe implements [host.Observer].
func (o observer) Observe(e host.Event) {
	*o.event = e
	if ctx := allowance(o.event); o.Enabled(ctx, levelOf(o.event)) {
		o.Handler().Handle(ctx, record(o.event))
	}
}

// record is an event as a record of the log. The attributes are made when they are written, and
// kept nowhere.
func record(e *host.Event) slog.Record {
	at := e.Time // the event may have waited
	if at.IsZero() {
		at = time.Now()
	}
	r := slog.NewRecord(at, levelOf(e), message(e), 0)
	r.AddAttrs(slog.Any("", (*eventValue)(e)))
	return r
}

// eventValue stands in a record for the attributes of an event.
type eventValue host.Event

// LogValue implements [slog.LogValuer].
func (e *eventValue) LogValue() slog.Value {
	var all attrList
	e.each(&all)
	return slog.GroupValue(all...)
}

// attrs take the attributes of an event one after the other.
type attrs interface {
	text(key, value string)
	integer(key string, value int64)
	boolean(key string, value bool)
	float(key string, value float64)
	time(key string, value time.Time)
	address(key string, value netip.AddrPort)
}

// attrList are attributes as slog has them.
type attrList []slog.Attr

func (l *attrList) add(a slog.Attr)                          { *l = append(*l, a) }
func (l *attrList) text(key, value string)                   { l.add(slog.String(key, value)) }
func (l *attrList) integer(key string, value int64)          { l.add(slog.Int64(key, value)) }
func (l *attrList) boolean(key string, value bool)           { l.add(slog.Bool(key, value)) }
func (l *attrList) float(key string, value float64)          { l.add(slog.Float64(key, value)) }
func (l *attrList) time(key string, value time.Time)         { l.add(slog.Time(key, value)) }
func (l *attrList) address(key string, value netip.AddrPort) { l.text(key, value.String()) }

// eventOf is the event of an attribute, nil for none.
func eventOf(a slog.Attr) *eventValue {
	if a.Value.Kind() != slog.KindLogValuer {
		return nil
	}
	e, _ := a.Value.Any().(*eventValue)
	return e
}

// eachAttr calls do with each attribute of a record, and of the event that it may have.
func eachAttr(r slog.Record, do func(slog.Attr)) {
	r.Attrs(func(a slog.Attr) bool {
		if e := eventOf(a); e != nil {
			for _, a := range e.LogValue().Group() {
				do(a)
			}
		} else {
			do(a)
		}
		return true
	})
}

// each gives each attribute of an event to a. The manual has a table of them.
func (e *eventValue) each(a attrs) {
	text := func(key, value string) {
		if value != "" {
			a.text(key, value)
		}
	}
	address := func(key string, at netip.AddrPort) {
		if at.IsValid() {
			a.address(key, at)
		}
	}
	switch {
	case e.Kind == host.Dropped:
		a.integer("events", int64(e.Count))
	case e.Ban != nil:
		a.text("network", e.Ban.Network.String())
		a.integer("failures", int64(e.Ban.Failures))
		a.time("until", e.Ban.Until.Round(time.Second))
	default:
		a.integer("session", int64(e.Session))
		address("client", e.Client)
		address("server", e.Server)
	}
	transfer := isTransfer(e.Kind)
	moved := transfer || e.Kind == host.Copied || e.Kind == host.Hashed
	text("host", e.Host)
	text("tls", host.TLSVersionName(e.TLSVersion))
	text("user", e.User)
	if e.Kind == host.Disconnected {
		text("program", e.Program) // known by then, and said once
	}
	text("verb", e.Verb)
	text("argument", e.Argument)
	text("path", e.Path)
	text("asked", e.Asked)
	text("to", e.To)
	address("data", e.Data)
	if moved || e.Bytes != 0 {
		a.integer("bytes", e.Bytes)
	}
	seconds := e.Duration.Seconds()
	if moved || e.Duration != 0 {
		a.float("seconds", math.Round(seconds*1000)/1000)
	}
	if transfer {
		if e.Bytes > 0 && seconds > 0 {
			a.integer("rate", int64(float64(e.Bytes)/seconds))
		}
		a.integer("offset", e.Offset)
		a.text("mode", (*host.Event)(e).Mode())
		a.boolean("data_tls", e.TLS)
	}
	if moved {
		a.boolean("complete", e.Err == nil && e.Kind != host.UploadFailed)
	}
	if e.TLS && e.Kind == host.Uploaded {
		a.boolean("tls_closed", e.TLSClosed)
	}
	if e.Reply != 0 {
		a.integer("reply", int64(e.Reply))
	}
	text("reason", e.Reason)
	if e.Err != nil {
		a.text("err", e.Err.Error())
	}
}
