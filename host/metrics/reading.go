package metrics

import (
	"cmp"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"wasiftp/host"
)

// state is what is read from a server for one scrape.
type state struct {
	host.Counts
	bans int // in force
}

// reading is a metric that is read at each scrape.
type reading struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(now *state, emit func(v float64, labels ...string))
}

// labelled makes a reading with labels.
func labelled(
	kind prometheus.ValueType, name, help string, read func(*state, func(float64, ...string)), labels ...string,
) reading {
	return reading{prometheus.NewDesc(namespace+"_"+name, help, labels, nil), kind, read}
}

// plain makes a reading without labels.
func plain[N int | int64 | uint64](kind prometheus.ValueType, name, help string, value func(*state) N) reading {
	return labelled(kind, name, help, func(now *state, emit func(float64, ...string)) { emit(float64(value(now))) })
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

var readings = []reading{
	labelled(counter, "commands_total", "Commands that were answered, by verb and code of the last reply.",
		func(now *state, emit func(float64, ...string)) {
			for c, n := range now.Commands {
				emit(float64(n), c.Verb, strconv.Itoa(c.Code))
			}
		}, "verb", "code"),
	labelled(gauge, "sessions", "Sessions that are open, by what they do and TLS of the control connection.",
		func(now *state, emit func(float64, ...string)) {
			for s, n := range now.Sessions {
				emit(float64(n), sessionState(s), cmp.Or(host.TLSVersionName(s.TLSVersion), "none"))
			}
		}, "state", "tls"),
	labelled(counter, "tls_handshakes_total", "TLS handshakes, by connection, version, and whether a session was resumed.",
		func(now *state, emit func(float64, ...string)) {
			for h, n := range now.Handshakes {
				emit(float64(n), connection(h), cmp.Or(host.TLSVersionName(h.Version), "failed"), strconv.FormatBool(h.Resumed))
			}
		}, "connection", "version", "resumed"),
	labelled(counter, "data_connections_total", "Data connections that were made, by who made them.",
		func(now *state, emit func(float64, ...string)) {
			emit(float64(now.Passive), "passive")
			emit(float64(now.Active), "active")
		}, "mode"),
	labelled(counter, "moved_bytes_total", "Bytes of files that have crossed data connections, also of transfers under way.",
		func(now *state, emit func(float64, ...string)) {
			emit(float64(now.Sent), "download")
			emit(float64(now.Received), "upload")
		}, "direction"),

	plain(counter, "connections_banned_total", "Control connections that were refused because of a ban.",
		func(now *state) uint64 { return now.Banned }),
	plain(gauge, "bans", "Bans in force.", func(now *state) int { return now.bans }),
	plain(gauge, "refused_connections", "Refused connections that are open until their clients have read the reply.",
		func(now *state) int { return now.Turned }),
	plain(gauge, "uploads", "Uploads that are open.", func(now *state) int { return now.Uploads }),
	plain(gauge, "passive_ports", "Ports of the passive range that are in use.", func(now *state) int { return now.PassivePorts }),
	plain(gauge, "small_files_bytes", "Bytes of small files in memory that wait for a data connection or a disk.",
		func(now *state) int64 { return now.SmallBytes }),

	places("places_busy", "Places that are taken, by what they are for.", func(l host.Load) int { return l.Busy }),
	places("places_waiting", "Calls that wait for a place, by what they are for.", func(l host.Load) int { return l.Waiting }),

	plain(gauge, "instances", "Instances of the engine that run.", func(now *state) int { return now.Instances }),
	plain(gauge, "instance_memory_bytes", "Linear memory of all instances.", func(now *state) int64 { return now.Memory }),
	plain(counter, "instances_started_total", "Instances that were started.", func(now *state) uint64 { return now.Started }),
	plain(counter, "instances_failed_total", "Instances that trapped, hung or did not start.",
		func(now *state) uint64 { return now.Failed }),
	plain(counter, "instance_steps_total", "Calls into instances.", func(now *state) uint64 { return now.Steps }),
	plain(counter, "instance_fuel_total", "Fuel that instances have burnt, about one for each instruction.",
		func(now *state) uint64 { return now.Fuel }),

	plain(gauge, "queue_length", "Events and log records that wait to be delivered.", func(now *state) int { return now.Queued }),
	plain(counter, "events_dropped_total", "Events that were dropped, as the log or a hook was too slow.",
		func(now *state) uint64 { return now.DroppedEvents }),
	plain(counter, "log_records_dropped_total", "Log records that were dropped or could not be written.",
		func(now *state) uint64 { return now.DroppedRecords }),
}

func places(name, help string, of func(host.Load) int) reading {
	return labelled(gauge, name, help, func(now *state, emit func(float64, ...string)) {
		emit(float64(of(now.OpenFiles)), "open files")
		emit(float64(of(now.Questions)), "questions")
		emit(float64(of(now.Logins)), "logins")
		emit(float64(of(now.Processors)), "processors")
	}, "for")
}

func sessionState(s host.SessionState) string {
	if !s.LoggedIn {
		return "login"
	}
	return cmp.Or(s.Doing, "idle")
}

func connection(h host.Handshake) string {
	if h.Data {
		return "data"
	}
	return "control"
}
