// Package metrics tells Prometheus what a [host.Server] does. Whoever does not import it does
// not link client_golang.
//
// A [Metrics] is the Observer of the server, or one of those that the Observer calls, and is
// attached to the server once that is made. The manual of wasiftpd describes each metric.
package metrics

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"wasiftp/host"
	"wasiftp/host/bans"
)

// Options are choices about metrics. The zero value suits most.
type Options struct {
	// Users adds the transfers of each account, labelled with its name. Each account that moves
	// a file then has series of its own for the life of the process.
	Users bool
}

// Metrics are metrics of one server. It is a [host.Observer] and a [prometheus.Collector], and
// its methods may be called from many goroutines at a time.
type Metrics struct {
	server atomic.Pointer[host.Server] // nil until Attach
	vecs   []prometheus.Collector      // all of those below

	logins, refused, dataRefused, transfers, bytes, users, userBytes *prometheus.CounterVec

	events           []prometheus.Counter            // by kind, from the first
	series           [32]atomic.Pointer[ofTransfers] // by the labels of a transfer; nil before the first
	quota            prometheus.Counter
	session          prometheus.Histogram
	transferDuration *prometheus.HistogramVec
}

// New makes metrics. They count from now on.
func New(o Options) *Metrics {
	m := &Metrics{}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
		m.vecs = append(m.vecs, v)
		return v
	}
	events := counter("events_total", "Events by kind, as the log names them.", "event")
	for kind := host.Connected; kind.String() != host.EventKind(0).String(); kind++ {
		m.events = append(m.events, events.WithLabelValues(kind.String()))
	}
	m.logins = counter("logins_total", "Logins by result.", "result")
	m.refused = counter("connections_refused_total", "Control connections that got no session, by reason.", "reason")
	m.dataRefused = counter("data_connections_refused_total", "Data connections that were refused or not to be had, by reason.",
		"reason")
	m.quota = counter("quota_refusals_total", "Commands and transfers that a quota ended.").WithLabelValues()
	m.transfers = counter("transfers_total", "Downloads and uploads that have ended.", "direction", "mode", "tls", "result")
	m.bytes = counter("transfer_bytes_total", "Bytes of downloads and uploads that have ended.",
		"direction", "mode", "tls", "result")
	if o.Users {
		m.users = counter("user_transfers_total", "Downloads and uploads of an account that have ended.",
			"user", "direction", "result")
		m.userBytes = counter("user_transfer_bytes_total", "Bytes of downloads and uploads of an account that have ended.",
			"user", "direction", "result")
	}
	m.transferDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "transfer_duration_seconds", Help: "Durations of downloads and uploads.",
		Buckets: []float64{0.01, 0.1, 1, 10, 60, 600, 3600},
	}, []string{"direction"})
	m.session = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: "session_duration_seconds", Help: "Durations of sessions.",
		Buckets: []float64{0.1, 1, 10, 60, 600, 3600, 6 * 3600, 24 * 3600},
	})
	m.vecs = append(m.vecs, m.transferDuration, m.session)
	m.begin()
	return m
}

const namespace = "wasiftp"

// begin makes the series that there are in any case, so that the first of a kind shows as an
// increase.
func (m *Metrics) begin() {
	for _, result := range []string{"success", "denied", "banned", "busy", "failed"} {
		m.logins.WithLabelValues(result)
	}
	for _, reason := range []string{"limit", "not allowed", "too quick", "closing", "failed"} {
		m.refused.WithLabelValues(reason)
	}
	for _, reason := range []string{"foreign", "tls", "failed"} {
		m.dataRefused.WithLabelValues(reason)
	}
	for _, upload := range []bool{false, true} {
		for _, tls := range []bool{false, true} {
			m.seriesOf(labels{upload: upload, tls: tls})
			m.seriesOf(labels{upload: upload, tls: tls, failed: true})
		}
	}
}

// Attach has metrics tell what the server counts itself, too: [host.Server.Counts]. Before it
// they only tell of events.
func (m *Metrics) Attach(s *host.Server) { m.server.Store(s) }

// Observe implements [host.Observer]. Events that the server drops, since an Observer was too
// slow, are missing in what it counts; wasiftp_events_dropped_total tells how many.
func (m *Metrics) Observe(e host.Event) {
	if n := int(e.Kind - host.Connected); n < len(m.events) {
		m.events[n].Inc()
	}
	if errors.Is(e.Err, syscall.EDQUOT) {
		m.quota.Inc()
	}
	switch e.Kind {
	case host.LoggedIn:
		m.logins.WithLabelValues("success").Inc()
	case host.LoginFailed:
		m.logins.WithLabelValues(loginResult(e.Err)).Inc()
	case host.Refused:
		m.refused.WithLabelValues(refusal(e.Err)).Inc()
	case host.DataRefused:
		m.dataRefused.WithLabelValues(dataRefusal(e)).Inc()
	case host.Downloaded, host.Uploaded, host.UploadFailed:
		m.transferred(&e)
	case host.Disconnected:
		m.session.Observe(e.Duration.Seconds())
	}
}

func loginResult(err error) string {
	switch {
	case errors.Is(err, bans.ErrBanned):
		return "banned"
	case errors.Is(err, host.ErrBusy), errors.Is(err, host.ErrLimit):
		return "busy"
	case errors.Is(err, host.ErrDenied):
		return "denied"
	}
	return "failed"
}

func refusal(err error) string {
	switch {
	case errors.Is(err, host.ErrLimit):
		return "limit"
	case errors.Is(err, bans.ErrNotAllowed):
		return "not allowed"
	case errors.Is(err, bans.ErrTooQuick):
		return "too quick"
	case errors.Is(err, host.ErrServerClosed):
		return "closing"
	}
	return "failed"
}

func dataRefusal(e host.Event) string {
	switch {
	case e.TLS:
		return "tls"
	case e.Err == nil:
		return "foreign"
	}
	return "failed"
}

// labels are those of a transfer that has ended.
type labels struct{ upload, ascii, deflated, tls, failed bool }

// number is another one below 32 for each.
func (l labels) number() (n int) {
	for _, is := range [...]bool{l.upload, l.ascii, l.deflated, l.tls, l.failed} {
		if n *= 2; is {
			n++
		}
	}
	return n
}

func (l labels) direction() string {
	if l.upload {
		return "upload"
	}
	return "download"
}

func (l labels) result() string {
	if l.failed {
		return "failed"
	}
	return "complete"
}

// ofTransfers are the series of the transfers with the same labels. To find them by the labels takes
// longer than to count.
type ofTransfers struct {
	transfers, bytes prometheus.Counter
	duration         prometheus.Observer
}

func (m *Metrics) seriesOf(l labels) *ofTransfers {
	known := &m.series[l.number()]
	if s := known.Load(); s != nil {
		return s
	}
	all := []string{l.direction(), (&host.Event{ASCII: l.ascii, Deflated: l.deflated}).Mode(), strconv.FormatBool(l.tls), l.result()}
	s := &ofTransfers{
		m.transfers.WithLabelValues(all...), m.bytes.WithLabelValues(all...),
		m.transferDuration.WithLabelValues(l.direction()),
	}
	known.Store(s)
	return s
}

// transferred counts a transfer that has ended.
func (m *Metrics) transferred(e *host.Event) {
	l := labels{e.Kind != host.Downloaded, e.ASCII, e.Deflated, e.TLS, e.Err != nil}
	s := m.seriesOf(l)
	s.transfers.Inc()
	s.bytes.Add(float64(e.Bytes))
	s.duration.Observe(e.Duration.Seconds())
	if m.users != nil {
		user := strings.ToValidUTF8(e.User, "?") // no label may be anything else
		m.users.WithLabelValues(user, l.direction(), l.result()).Inc()
		m.userBytes.WithLabelValues(user, l.direction(), l.result()).Add(float64(e.Bytes))
	}
}

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, v := range m.vecs {
		v.Describe(to)
	}
	for _, r := range readings {
		to <- r.desc
	}
}

// Collect implements [prometheus.Collector].
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, v := range m.vecs {
		v.Collect(to)
	}
	s := m.server.Load()
	if s == nil {
		return
	}
	now := state{s.Counts(), len(s.Bans().Bans())}
	for _, r := range readings {
		r.read(&now, func(v float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(r.desc, r.kind, v, labels...)
		})
	}
}

// Handler answers with these metrics, more, and those of Go's runtime and of the process, in
// Prometheus' text format.
func (m *Metrics) Handler(more ...prometheus.Collector) http.Handler {
	all := prometheus.NewPedanticRegistry()
	all.MustRegister(more...)
	all.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// To compress an answer costs more than to make it, and several times its memory.
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{DisableCompression: true})
}
