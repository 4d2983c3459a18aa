package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"wasiftp/host"
	"wasiftp/host/bans"
)

// nasty is what a client may put into a name, and more.
const nasty = "a\r\nlevel=INFO msg=\"logged in\" user=root\n{\"msg\":\"x\"}\x1b[2J\x9b\x00\xff\u202e\u0085'\"\\="

// inBinary is what the record of a usual transfer has.
const inBinary = " offset=0 mode=binary data_tls=false"

var client = netip.MustParseAddrPort("192.0.2.1:4711")

func TestEvents(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		event host.Event
		want  string // without the time; "" is no record
	}{
		{host.Event{Kind: host.Connected}, ""},
		{host.Event{Kind: host.Listed, Path: "/"}, ""},
		{host.Event{Kind: host.LoggedIn, User: "alice"}, `level=INFO msg="logged in" session=7 client=192.0.2.1:4711 user=alice`},
		{host.Event{Kind: host.LoginFailed, User: "alice", Err: host.ErrDenied},
			`level=WARN msg="login failed" session=7 client=192.0.2.1:4711 user=alice err="wrong user name or password"`},
		{host.Event{Kind: host.Downloaded, User: "alice", Path: "/a b", Bytes: 12, Duration: 1234567 * time.Microsecond},
			`level=INFO msg=downloaded session=7 client=192.0.2.1:4711 user=alice path="/a b" bytes=12 seconds=1.235 ` +
				`rate=9` + inBinary + ` complete=true`},
		{host.Event{Kind: host.Downloaded, Path: "/a", Err: errors.New("reset")},
			`level=WARN msg="download failed" session=7 client=192.0.2.1:4711 path=/a bytes=0 seconds=0` +
				inBinary + ` complete=false err=reset`},
		{host.Event{Kind: host.Uploaded, Path: "/a", Bytes: 1},
			`level=INFO msg=uploaded session=7 client=192.0.2.1:4711 path=/a bytes=1 seconds=0` +
				inBinary + ` complete=true`},
		{host.Event{Kind: host.UploadFailed, Path: "/a", Bytes: 1},
			`level=WARN msg="upload failed" session=7 client=192.0.2.1:4711 path=/a bytes=1 seconds=0` +
				inBinary + ` complete=false`},
		{host.Event{Kind: host.Renamed, Path: "/a", To: "/b"}, `level=INFO msg=renamed session=7 client=192.0.2.1:4711 path=/a to=/b`},
		{host.Event{Kind: host.Forbidden, User: "alice", Path: "/a", To: "/b", Err: host.Refuse(553, "No.")},
			`level=WARN msg=forbidden session=7 client=192.0.2.1:4711 user=alice path=/a to=/b err="refused with 553 No."`},
		{host.Event{Kind: host.DataRefused, Data: client},
			`level=WARN msg="data connection refused" session=7 client=192.0.2.1:4711 data=192.0.2.1:4711`},
		{host.Event{Kind: host.Banned, Ban: &bans.Ban{
			Network: netip.MustParsePrefix("192.0.2.1/32"), Failures: 21, Until: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		}}, `level=WARN msg=banned network=192.0.2.1/32 failures=21 until=2026-01-02T03:04:05.000Z`},
		{host.Event{Kind: host.LoggedIn, User: "alice", Program: "lftp"},
			`level=INFO msg="logged in" session=7 client=192.0.2.1:4711 user=alice`},
		{host.Event{Kind: host.Disconnected, User: "alice", Program: "lftp 4 msg=x", Duration: time.Minute},
			`level=INFO msg=disconnected session=7 client=192.0.2.1:4711 user=alice program="lftp 4 msg=x" seconds=60`},
		{host.Event{Kind: host.Uploaded, Path: "/b", Asked: "/a"},
			`level=INFO msg=uploaded session=7 client=192.0.2.1:4711 path=/b asked=/a bytes=0 seconds=0` +
				inBinary + ` complete=true`},
		{host.Event{Kind: host.Copied, User: "alice", Path: "/a", To: "/b", Bytes: 3, Err: errors.New("full")},
			`level=WARN msg=copied session=7 client=192.0.2.1:4711 user=alice path=/a to=/b bytes=3 ` +
				`seconds=0 complete=false err=full`},
		{host.Event{Kind: host.Downloaded, Server: client, Host: "a.example.org", TLSVersion: tls.VersionTLS13, Verb: "RETR",
			Path: "/a", Offset: 5, ASCII: true, Deflated: true, TLS: true},
			`level=INFO msg=downloaded session=7 client=192.0.2.1:4711 server=192.0.2.1:4711 host=a.example.org tls=1.3 ` +
				`verb=RETR path=/a bytes=0 seconds=0 offset=5 mode=ascii-z data_tls=true complete=true`},
		{host.Event{Kind: host.Rejected, User: "alice", Verb: "SIZE", Argument: "a b", Path: "/a b",
			Reply: 550, Reason: "No such file."},
			`level=INFO msg="command rejected" session=7 client=192.0.2.1:4711 user=alice verb=SIZE argument="a b" path="/a b" ` +
				`reply=550 reason="No such file."`},
		{host.Event{Kind: host.Unreached, Data: client},
			`level=WARN msg="passive port not reached" session=7 client=192.0.2.1:4711 data=192.0.2.1:4711`},
		{host.Event{Kind: host.Disconnected, Duration: time.Minute},
			`level=INFO msg=disconnected session=7 client=192.0.2.1:4711 seconds=60`},
	} {
		var b strings.Builder
		test.event.Session, test.event.Client = 7, client
		newObserver(newLogger(&b, "text")).Observe(test.event)
		got := b.String()
		if test.want != "" {
			_, got, _ = strings.Cut(got, " ")
			test.want += "\n"
		}
		if got != test.want {
			t.Errorf("%+v is logged as\n%q, want\n%q", test.event, got, test.want)
		}
	}
}

// disk has room for some bytes.
type disk struct {
	room int
	text strings.Builder
}

func (d *disk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	d.text.Write(p[:n])
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

// A disk that was full may have half a record; those that come later are whole.
func TestLogOnFullDisk(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		d := &disk{room: 250}
		logger := newLogger(d, format)
		for range 20 {
			logger.Info("before")
		}
		cut := d.text.Len()
		d.room = 10_000
		for range 20 {
			logger.Info("after")
		}
		_, later, found := strings.Cut(d.text.String()[cut:], "\n")
		if !found || strings.Count(later, "\n") != 20 {
			t.Errorf("the log is\n%s", d.text.String())
		}
		checkRecords(t, format, later, 20)
	}
}

func TestThreat22LogInjection(t *testing.T) {
	t.Parallel()
	event := host.Event{Kind: host.Renamed, Session: 7, Client: client, User: nasty, Path: nasty, To: nasty,
		Argument: nasty, Reason: nasty, Err: errors.New(nasty)}
	var text, records strings.Builder
	newObserver(newLogger(&text, "text")).Observe(event)
	newObserver(newLogger(&records, "json")).Observe(event)

	for _, key := range []string{"user", "path", "to", "argument", "reason", "err"} {
		if want := " " + key + "=" + strconv.Quote(nasty); !strings.Contains(text.String(), want) {
			t.Errorf("the record %q has no %s", text.String(), want)
		}
	}
	checkRecords(t, "text", text.String(), 1)
	checkRecords(t, "json", records.String(), 1)

	var record map[string]any
	if err := json.Unmarshal([]byte(records.String()), &record); err != nil {
		t.Fatal(err)
	}
	want := strings.ToValidUTF8(nasty, "\ufffd")
	if record["user"] != want || record["msg"] != "renamed" {
		t.Errorf("the record is %q, want the user %q", record, want)
	}
}

// checkRecords wants a log of at least some records, each one line without control
// characters.
func checkRecords(t *testing.T, format, log string, least int) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(log, "\n"), "\n")
	if len(lines) < least {
		t.Errorf("%d records, want at least %d:\n%q", len(lines), least, log)
	}
	for _, line := range lines {
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("a record holds a control character: %q", line)
		}
		if format == "text" && !strings.HasPrefix(line, "time=") || format == "json" && !json.Valid([]byte(line)) {
			t.Errorf("no %s record: %q", format, line)
		}
	}
}
