package admin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/host"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	const long = "0123456789abcdef0123"
	all, err := ParseTokens("f", "# who\n\nann:admin:"+long+"\r\nprom:read:"+long+"4\n")
	require.NoError(t, err)
	require.Len(t, all, 2)
	found, ok := all.find(long)
	assert.True(t, ok && found.Name == "ann" && found.Write)
	found, ok = all.find(long + "4")
	assert.True(t, ok && found.Name == "prom" && !found.Write)
	_, ok = all.find("")
	assert.False(t, ok)

	_, err = ParseTokens("f", "ann:admin:"+long+"\nann:read:"+long+"\nbob:root:"+long+"\n:read:"+long+"\neve:read:short\nx\n")
	assert.EqualError(t, err, `f:2: "ann" has a token already; give another name
f:3: the rights "root" of "bob" are neither read nor admin
f:4: it is no line NAME:RIGHTS:TOKEN
f:5: the token of "eve" is shorter than 20 bytes and could be guessed; make one by openssl rand -hex 16
f:6: it is no line NAME:RIGHTS:TOKEN`)
	_, err = ParseTokens("f", "#\n")
	assert.EqualError(t, err, "f: there is no token; write a line NAME:RIGHTS:TOKEN")
}

// No error of a file of tokens shows a token that is long enough to be one.
func FuzzTokens(f *testing.F) {
	f.Add("ann:admin:0123456789abcdef0123\n")
	f.Fuzz(func(t *testing.T, content string) {
		all, err := ParseTokens("f", content)
		assert.True(t, err != nil || len(all) > 0)
		for _, one := range all {
			assert.NotEmpty(t, one.Name)
		}
	})
}

// serveEvents answers the API without a server, which events do not need.
func serveEvents(t *testing.T) (*Server, *Client) {
	s := New(Config{Logger: slog.New(slog.DiscardHandler), Record: func(e *host.Event) slog.Record {
		r := slog.NewRecord(e.Time, slog.LevelInfo, e.Kind.String(), 0)
		r.AddAttrs(slog.Uint64("session", e.Session), slog.String("user", e.User), slog.String("path", e.Path))
		return r
	}, AppendJSON: func(line []byte, r slog.Record) []byte {
		b := bytes.NewBuffer(line)
		slog.NewJSONHandler(b, nil).Handle(context.Background(), r)
		return bytes.TrimSpace(b.Bytes())
	}})
	h := httptest.NewServer(s.Trusted())
	t.Cleanup(h.Close)
	return s, &Client{base: h.URL, what: h.URL}
}

func TestEventsAreKept(t *testing.T) {
	t.Parallel()
	s, c := serveEvents(t)
	for n := range uint64(kept + 10) {
		s.Observe(host.Event{Kind: host.Uploaded, Session: n + 1, User: fmt.Sprintf("u%d", n%2), Path: "/a"})
	}
	for query, want := range map[string]int{
		"": kept, "user=u0": kept / 2, "session=1010": 1, "session=10": 0, "level=warn": 0, "text=UPLOADED": kept,
		"text=%22u1%22": kept / 2,
	} {
		var all []map[string]any
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		require.NoError(t, c.do(t.Context(), http.MethodGet, "/v1/events", values, &all))
		assert.Len(t, all, want, query)
	}
	err := c.do(t.Context(), http.MethodGet, "/v1/events", url.Values{"level": {"all"}}, nil)
	assert.EqualError(t, err, "level=all is none of debug, info, warn and error")
}

// A stream has the events that come, and tells of those that a slow client has missed.
func TestEventsAreStreamed(t *testing.T) {
	t.Parallel()
	s, c := serveEvents(t)
	s.Observe(host.Event{Kind: host.Connected, Session: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := make(chan string)
	go func() {
		c.Events(ctx, url.Values{"session": {"2"}}, func(line string) error { lines <- line; return nil })
		close(lines)
	}()
	for { // until the stream has begun
		s.Observe(host.Event{Kind: host.Uploaded, Session: 2, Path: "/new\nline"})
		select {
		case line := <-lines:
			assert.Contains(t, line, `"path":"/new\nline"`)
			cancel()
			for range lines {
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestSlowReaderMissesEvents(t *testing.T) {
	t.Parallel()
	s, c := serveEvents(t)
	for range kept + 5 {
		s.Observe(host.Event{Kind: host.Uploaded})
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+"/v1/events", nil)
	require.NoError(t, err)
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Last-Event-ID", "2")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	head := make([]byte, 200)
	_, err = io.ReadFull(response.Body, head)
	require.NoError(t, err)
	assert.Regexp(t, `^event: missed\ndata: {"time":"[^"]*","level":"WARN","msg":"events missed","events":903}\n\n`, string(head))
}

// The sum never falls, although a transfer that ends is for a moment counted nowhere.
func TestRatesNeverFall(t *testing.T) {
	t.Parallel()
	var r rates
	assert.Equal(t, moved{100, 0}, r.total(moved{100, 0}))
	assert.Equal(t, moved{100, 0}, r.total(moved{}))
	r.count(&host.Event{Kind: host.Downloaded, Bytes: 120})
	assert.Equal(t, moved{120, 0}, r.total(moved{}))
	r.count(&host.Event{Kind: host.UploadFailed, Bytes: 7})
	assert.Equal(t, moved{120, 7}, r.total(moved{}))
	at := time.Now()
	r.at = at
	for n := range points + 3 {
		r.add(at.Add(time.Duration(n+1)*span), Totals{Sent: int64(n+1) * 500, Sessions: n})
	}
	hour := r.lastHour()
	assert.Len(t, hour.Points, points)
	assert.InDelta(t, 100, hour.Points[points-1].Sent, 1e-9)
	assert.Equal(t, points+2, hour.Points[points-1].Sessions)
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32", "2001:db8::/32": "2001:db8::/32",
		"192.0.2.7/24": "", "::ffff:192.0.2.0/120": "", "fe80::1%eth0": "", "": "", "all": "",
	} {
		network, err := ParseNetwork(text)
		if want == "" {
			assert.Error(t, err, text)
		} else {
			assert.Equal(t, netip.MustParsePrefix(want), network)
		}
	}
}

// A browser that shows another site can't change anything, even without a token in its way.
func TestOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	s := New(Config{Logger: slog.New(slog.DiscardHandler)})
	for _, handler := range []http.Handler{s.Trusted(), s.Guarded()} {
		request := httptest.NewRequest(http.MethodPost, "https://ftp.example.org/v1/drain", nil)
		request.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, request)
		assert.Equal(t, http.StatusForbidden, w.Code)
	}
}
