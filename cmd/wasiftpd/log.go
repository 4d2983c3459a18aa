package main

import (
	"context"
	"io"
	"log/slog"
	"math"

	"wasiftp/host"
)

// newLogger makes the one logger. Both handlers quote or escape whatever a
// client can put into a name, so that an event is always one record.
func newLogger(w io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// observer logs what happens: a line for each event.
type observer struct{ *slog.Logger }

// levels are those of the events that are not plain information. What a client
// does many times a minute without touching anything is left out.
var levels = map[host.EventKind]slog.Level{
	host.Connected: slog.LevelDebug, host.Listed: slog.LevelDebug,
	host.Refused: slog.LevelWarn, host.LoginFailed: slog.LevelWarn,
	host.UploadFailed: slog.LevelWarn, host.DataRefused: slog.LevelWarn,
}

// byStranger says whether anybody can cause an event, as often as he likes.
func byStranger(e host.Event) bool {
	switch e.Kind {
	case host.Connected, host.Refused, host.LoginFailed, host.DataRefused:
		return true
	}
	return e.Kind == host.Disconnected && e.User == "" // who never logged in
}

// Observe is [host.Observer]'s.
func (o observer) Observe(e host.Event) {
	level, ctx := levels[e.Kind], deed
	if byStranger(e) {
		ctx = context.Background()
	}
	if !o.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.Uint64("session", e.Session), slog.String("client", e.Client.String())}
	add := func(given bool, a slog.Attr) {
		if given {
			attrs = append(attrs, a)
		}
	}
	transfer := e.Kind == host.Downloaded || e.Kind == host.Uploaded || e.Kind == host.UploadFailed || e.Kind == host.Copied
	add(e.User != "", slog.String("user", e.User))
	add(e.Path != "", slog.String("path", e.Path))
	add(e.To != "", slog.String("to", e.To))
	add(e.Data.IsValid(), slog.String("data", e.Data.String()))
	add(transfer, slog.Int64("bytes", e.Bytes))
	add(transfer || e.Duration != 0, slog.Float64("seconds", math.Round(e.Duration.Seconds()*1000)/1000))
	add(transfer, slog.Bool("complete", e.Err == nil && e.Kind != host.UploadFailed))
	add(e.TLS && e.Kind == host.Uploaded, slog.Bool("tls_closed", e.TLSClosed))
	if e.Err != nil {
		attrs = append(attrs, slog.String("err", e.Err.Error()))
	}
	o.LogAttrs(ctx, level, e.Kind.String(), attrs...)
}
