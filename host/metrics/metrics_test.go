package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/host/bans"
)

// temporary is a folder for the compiled engine.
var temporary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wasiftp-metrics")
	if err != nil {
		panic(err)
	}
	temporary = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// site is a server with metrics, whose files are in a folder of the disk.
type site struct {
	*testing.T
	*Metrics
	server  *host.Server
	address string
}

func serve(t *testing.T, o Options) *site {
	t.Helper()
	dir, err := fsbridge.OpenDir(t.TempDir(), fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	s := &site{T: t, Metrics: New(o)}
	s.server, err = host.New(host.Config{
		Observer: s.Metrics, CacheDir: temporary,
		Limits: host.Limits{FailureDelay: time.Millisecond, SessionsPerAddress: 8},
		Authenticator: host.AuthenticatorFunc(func(_ context.Context, l host.Login) (*host.Account, error) {
			if l.Password.Reveal() != "p" {
				return nil, host.ErrDenied
			}
			return &host.Account{FS: dir, Rights: host.ReadWrite}, nil
		}),
	})
	require.NoError(t, err)
	t.Cleanup(func() { s.server.Close() })
	s.Attach(s.server)
	l, err := host.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go s.server.Serve(l)
	s.address = l.Addr().String()
	return s
}

func (s *site) connect() *ftp.ServerConn {
	s.Helper()
	c, err := ftp.Dial(s.address, ftp.DialWithTimeout(time.Minute))
	require.NoError(s, err)
	s.Cleanup(func() { c.Quit() })
	return c
}

func (s *site) login() *ftp.ServerConn {
	s.Helper()
	c := s.connect()
	require.NoError(s, c.Login("u", "p"))
	return c
}

// move uploads content and downloads it again.
func (s *site) move(c *ftp.ServerConn, name string, content []byte) {
	s.Helper()
	require.NoError(s, c.Stor(name, bytes.NewReader(content)))
	r, err := c.Retr(name)
	require.NoError(s, err)
	back, err := io.ReadAll(r)
	require.NoError(s, err)
	require.NoError(s, r.Close())
	require.True(s, bytes.Equal(content, back))
}

// series are the values of a scrape by name and labels; of histograms the counts of
// observations.
func series(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	all := prometheus.NewPedanticRegistry()
	require.NoError(t, all.Register(c))
	families, err := all.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += fmt.Sprintf(" %s=%s", l.GetName(), l.GetValue())
			}
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				values[name] = m.Counter.GetValue()
			case dto.MetricType_GAUGE:
				values[name] = m.Gauge.GetValue()
			default:
				values[name] = float64(m.Histogram.GetSampleCount())
			}
		}
	}
	return values
}

// shows waits until a scrape has all of want: events come a little later than replies.
func (s *site) shows(want map[string]float64) {
	s.Helper()
	var got map[string]float64
	if assert.Eventually(s, func() bool {
		got = series(s.T, s.Metrics)
		for name, v := range want {
			if n, there := got["wasiftp_"+name]; !there || n != v {
				return false
			}
		}
		return true
	}, time.Minute, 5*time.Millisecond) {
		return
	}
	for name, v := range want {
		assert.Equal(s, v, got["wasiftp_"+name], name)
	}
}

func TestMetricsOfFilesThatMove(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{})
	c := s.login()
	content := bytes.Repeat([]byte("content\n"), 10_000)
	s.move(c, "large", content)
	s.move(c, "small", content[:8])
	_, err := c.Retr("missing")
	require.Error(t, err)
	require.Error(t, s.connect().Login("u", "wrong"))
	const both = 80_008
	s.shows(map[string]float64{
		"transfers_total direction=download mode=binary result=complete tls=false":      2,
		"transfers_total direction=upload mode=binary result=complete tls=false":        2,
		"transfers_total direction=upload mode=binary result=failed tls=false":          0,
		"transfer_bytes_total direction=download mode=binary result=complete tls=false": both,
		"transfer_bytes_total direction=upload mode=binary result=complete tls=false":   both,
		"moved_bytes_total direction=download":                                          both,
		"moved_bytes_total direction=upload":                                            both,
		"transfer_duration_seconds direction=upload":                                    2,
		"commands_total code=226 verb=STOR":                                             2,
		"commands_total code=226 verb=RETR":                                             2,
		"commands_total code=550 verb=RETR":                                             1,
		"commands_total code=230 verb=PASS":                                             1,
		"commands_total code=530 verb=PASS":                                             1,
		"data_connections_total mode=passive":                                           4,
		"data_connections_total mode=active":                                            0,
		"logins_total result=success":                                                   1,
		"logins_total result=denied":                                                    1,
		"events_total event=connected":                                                  2,
		"events_total event=command rejected":                                           1,
		"sessions state=idle tls=none":                                                  1,
		"sessions state=login tls=none":                                                 1,
		"instances_failed_total":                                                        0,
		"events_dropped_total":                                                          0,
	})
	for name := range series(t, s.Metrics) {
		assert.NotContains(t, name, "user=", "there are no names of users unless asked for")
	}
}

func TestMetricsOfUsers(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{Users: true})
	s.move(s.login(), "file", []byte("content"))
	s.shows(map[string]float64{
		"user_transfers_total direction=upload result=complete user=u":        1,
		"user_transfer_bytes_total direction=download result=complete user=u": 7,
	})
	s.Observe(host.Event{Kind: host.Uploaded, User: "\xff\xfe", Bytes: 3})
	s.shows(map[string]float64{"user_transfer_bytes_total direction=upload result=complete user=?": 3})
}

// Each kind of event counts under the labels that it should.
func TestMetricsOfEvents(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	quota := &os.PathError{Op: "write", Path: "/a", Err: syscall.EDQUOT}
	for _, e := range []host.Event{
		{Kind: host.LoginFailed, Err: host.ErrBusy}, {Kind: host.LoginFailed, Err: host.ErrLimit},
		{Kind: host.LoginFailed, Err: bans.ErrBanned}, {Kind: host.LoginFailed, Err: errors.New("no database")},
		{Kind: host.Refused, Err: host.ErrLimit}, {Kind: host.Refused, Err: bans.ErrTooQuick},
		{Kind: host.Refused, Err: bans.ErrNotAllowed}, {Kind: host.Refused, Err: host.ErrServerClosed},
		{Kind: host.Refused, Err: io.ErrUnexpectedEOF},
		{Kind: host.DataRefused, Data: netip.MustParseAddrPort("192.0.2.1:20")},
		{Kind: host.DataRefused, TLS: true, Err: io.EOF}, {Kind: host.DataRefused, Err: syscall.ECONNREFUSED},
		{Kind: host.UploadFailed, Err: quota, ASCII: true, TLS: true, Bytes: 5},
		{Kind: host.Rejected, Err: quota},
		{Kind: host.Downloaded, ASCII: true, Deflated: true, Bytes: 6}, {Kind: host.Downloaded, Deflated: true, Bytes: 7},
		{Kind: host.Unreached}, {Kind: host.Banned}, {Kind: host.TLSFailed}, {Kind: host.Disconnected, Duration: time.Second},
	} {
		m.Observe(e)
	}
	got := series(t, m)
	for name, want := range map[string]float64{
		"logins_total result=busy": 2, "logins_total result=banned": 1, "logins_total result=failed": 1,
		"connections_refused_total reason=limit": 1, "connections_refused_total reason=too quick": 1,
		"connections_refused_total reason=not allowed": 1, "connections_refused_total reason=closing": 1,
		"connections_refused_total reason=failed": 1, "data_connections_refused_total reason=foreign": 1,
		"data_connections_refused_total reason=tls": 1, "data_connections_refused_total reason=failed": 1, "quota_refusals_total": 2,
		"transfer_bytes_total direction=upload mode=ascii result=failed tls=true":        5,
		"transfer_bytes_total direction=download mode=ascii-z result=complete tls=false": 6,
		"transfer_bytes_total direction=download mode=z result=complete tls=false":       7,
		"events_total event=passive port not reached":                                    1, "events_total event=banned": 1,
		"events_total event=TLS handshake failed": 1, "session_duration_seconds": 1,
	} {
		assert.Equal(t, want, got["wasiftp_"+name], name)
	}
}

// Scrapes while files move and sessions come and go: no counter ever falls.
func TestMetricsNeverFall(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{})
	var clients sync.WaitGroup
	content := bytes.Repeat([]byte{7}, 300<<10)
	for i := range 4 {
		clients.Go(func() {
			for n := range 5 {
				c := s.login()
				s.move(c, fmt.Sprint("file", i), content[:(n+1)*60<<10])
				assert.NoError(t, c.Quit())
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		clients.Wait()
	}()
	before, scrapes := map[string]float64{}, 0
	for over := false; !over; scrapes++ {
		select {
		case <-done:
			over = true
		default:
		}
		now := series(t, s.Metrics)
		for name, v := range before {
			if family, _, _ := strings.Cut(name, " "); strings.HasSuffix(family, "_total") || strings.HasSuffix(family, "_seconds") {
				assert.GreaterOrEqual(t, now[name], v, name)
			}
		}
		before = now
	}
	const moved = 4 * (1 + 2 + 3 + 4 + 5) * 60 << 10
	s.shows(map[string]float64{
		"moved_bytes_total direction=upload": moved, "moved_bytes_total direction=download": moved,
		"commands_total code=226 verb=STOR": 20, "commands_total code=226 verb=RETR": 20, "commands_total code=221 verb=QUIT": 20,
		"events_total event=disconnected": 20, "session_duration_seconds": 20, "sessions state=idle tls=none": 0,
	})
	assert.Greater(t, scrapes, 1)
}

// The names follow Prometheus' rules, and a scrape has the process and Go's runtime besides.
func TestMetricsAreCleanOverHTTP(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{Users: true})
	s.move(s.login(), "file", []byte("content"))
	all := prometheus.NewPedanticRegistry()
	require.NoError(t, all.Register(s.Metrics))
	problems, err := testutil.GatherAndLint(all)
	require.NoError(t, err)
	assert.Empty(t, problems)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	assert.Equal(t, 200, w.Code)
	for _, want := range []string{
		"\nwasiftp_sessions{state=\"idle\",tls=\"none\"} 1\n", "\n# TYPE wasiftp_commands_total counter\n", "\ngo_goroutines ",
	} {
		assert.Contains(t, w.Body.String(), want)
	}
}

// The manual of wasiftpd has a row for each metric, with its type and labels.
func TestManualHasEachMetric(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../cmd/wasiftpd/README.md")
	require.NoError(t, err)
	_, manual, found := strings.Cut(string(content), "\n## Metrics\n")
	require.True(t, found, "the manual has no heading for metrics")
	manual, _, _ = strings.Cut(manual, "\n## ")
	inManual := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(wasiftp_\\w+)` \\| (\\w+) \\| (.*?) \\| ").FindAllStringSubmatch(manual, -1) {
		inManual[strings.Join(row[1:], " ")] = true
	}
	descs := make(chan *prometheus.Desc, 100)
	New(Options{Users: true}).Describe(descs)
	close(descs)
	registered := map[string]bool{}
	for d := range descs {
		parts := regexp.MustCompile(`fqName: "(\w+)".*variableLabels: {(.*)}}`).FindStringSubmatch(d.String())
		require.NotNil(t, parts, d.String())
		kind := "gauge"
		switch name := parts[1]; {
		case strings.HasSuffix(name, "_total"):
			kind = "counter"
		case strings.HasSuffix(name, "_duration_seconds"):
			kind = "histogram"
		}
		labels := ""
		if parts[2] != "" {
			labels = "`" + strings.ReplaceAll(parts[2], ",", "`, `") + "`"
		}
		registered[parts[1]+" "+kind+" "+labels] = true
	}
	assert.Subset(t, inManual, registered)
}

// What is observed costs little: an event takes no memory.
func BenchmarkObserve(b *testing.B) {
	m := New(Options{Users: true})
	e := host.Event{Kind: host.Downloaded, User: "u", Bytes: 1000, Duration: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		m.Observe(e)
	}
}
