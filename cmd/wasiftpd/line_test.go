package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"testing"
	"time"

	"wasiftp/host"
)

// A line is, byte for byte, that of slog's handlers.
func FuzzLine(f *testing.F) {
	for _, text := range []string{"", "a", "a b", "a=b", `"`, `\`, "\x7f", "\u2028",
		"ä", "\xff", "<&>", "\u0085", "\U000e0001", "\x00\n"} {
		f.Add(text, "key", int64(1), 1.5)
	}
	for _, n := range []float64{0, -1, 1e-7, 0.0001, 0.00001, 1e15, 1e20, 1e21, 123456789,
		math.MaxFloat64, math.Inf(1), math.NaN(), 0.1} {
		f.Add("a", "b c", int64(n), n)
	}
	f.Fuzz(func(t *testing.T, text, key string, n int64, number float64) {
		zone := time.FixedZone("", int(n%50000)/60*60)
		r := slog.NewRecord(time.Unix(n%(1<<38), n%1e9).In(zone), slog.Level(n%10), text, 0)
		r.AddAttrs(slog.String(key, text), slog.Int64("n", n), slog.Uint64("u", uint64(n)), slog.Bool("b", n > 0),
			slog.Float64("f", number), slog.Time("t", r.Time.Round(time.Second)))
		at := netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(text), uint16(n))
		event := record(&host.Event{
			Kind: host.EventKind(n % 30), Time: r.Time, Session: uint64(n) >> 1, Client: client, Server: at, User: text, Path: key,
			Bytes: n, Duration: time.Duration(n), Count: int(n), Offset: n, TLS: n > 0, TLSVersion: uint16(n), Reply: int(n % 600),
			Err: errors.New(text), Reason: key})

		for _, r := range []slog.Record{r, event} {
			for _, json := range []bool{false, true} {
				var want bytes.Buffer
				options := &slog.HandlerOptions{Level: slog.Level(math.MinInt)}
				var handler slog.Handler = slog.NewTextHandler(&want, options)
				if json {
					handler = slog.NewJSONHandler(&want, options)
				}
				handler.Handle(context.Background(), r)
				if got, ok := appendLine(nil, r, json); ok && string(got) != want.String() {
					t.Errorf("%s is not\n%s", got, want.String())
				}
			}
		}
	})
}

// What the log has at most is written without the help of slog.
func TestLineOfAnEvent(t *testing.T) {
	t.Parallel()
	r := record(&host.Event{
		Kind: host.Downloaded, Time: time.Now(), Session: 12, Client: netip.MustParseAddrPort("192.0.2.1:4711"), User: "ann",
		Path: "/a/b.jpg", Verb: "RETR", Bytes: 4096, Duration: 123 * time.Microsecond,
	})
	for _, json := range []bool{false, true} {
		if line, ok := appendLine(nil, r, json); !ok {
			t.Errorf("%s", line)
		}
	}
}

// BenchmarkLine makes the line of a download, by us and by slog.
func BenchmarkLine(b *testing.B) {
	r := record(&host.Event{
		Kind: host.Downloaded, Time: time.Now(), Session: 12, Client: client, Server: client, User: "ann",
		Path: "/a/b.jpg", Verb: "RETR", Bytes: 4096, Duration: 123 * time.Microsecond,
	})
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		var line []byte
		for b.Loop() {
			line, _ = appendLine(line[:0], r, false)
		}
	})
	b.Run("slog", func(b *testing.B) {
		b.ReportAllocs()
		handler := slog.NewTextHandler(io.Discard, nil)
		for b.Loop() {
			handler.Handle(b.Context(), r)
		}
	})
}
