package main

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"wasiftp/host"
)

// reading is a metric that is read at each scrape.
type reading struct {
	*prometheus.Desc
	kind prometheus.ValueType
	read func(emitter)
}

// emitter takes a value of a reading.
type emitter func(v float64, labels ...string)

// readings are the metrics of the program, besides those of its server. They are a
// [prometheus.Collector].
type readings []reading

// Describe implements [prometheus.Collector].
func (all readings) Describe(to chan<- *prometheus.Desc) {
	for _, r := range all {
		to <- r.Desc
	}
}

// Collect implements [prometheus.Collector].
func (all readings) Collect(to chan<- prometheus.Metric) {
	for _, r := range all {
		r.read(func(v float64, labels ...string) { to <- prometheus.MustNewConstMetric(r.Desc, r.kind, v, labels...) })
	}
}

func readingsOf(r *roster, files *follower, written *logs) (all readings) {
	add := func(kind prometheus.ValueType, name, help string, read func(emitter), labels ...string) {
		all = append(all, reading{prometheus.NewDesc("wasiftp_"+name, help, labels, nil), kind, read})
	}
	gauge := func(name, help string, read func(emitter), labels ...string) {
		add(prometheus.GaugeValue, name, help, read, labels...)
	}
	// limit is a setting. One that limits nothing has no value.
	limit := func(name, help string, of func(*host.Config) int) {
		gauge(name, help, func(emit emitter) {
			if n := of(&r.options.Load().config); n > 0 {
				emit(float64(n))
			}
		})
	}
	gauge("build_info", "1, with the version of the server.", func(emit emitter) { emit(1, host.Version) }, "version")
	limit("max_sessions", "Sessions that may be open at a time.", func(c *host.Config) int { return c.Limits.Sessions })
	limit("max_passive_ports", "Ports of the passive range.", func(c *host.Config) int {
		if c.Passive.FirstPort == 0 {
			return 0
		}
		return int(c.Passive.LastPort) - int(c.Passive.FirstPort) + 1
	})
	gauge("certificate_not_after_timestamp_seconds", "When the certificates for these names begin to expire.", func(emit emitter) {
		first := map[string]int64{}
		for _, c := range r.options.Load().tls.told() {
			names, until := strings.ToValidUTF8(strings.Join(c.Names, ","), "?"), c.Until.Unix()
			if at, known := first[names]; !known || until < at {
				first[names] = until
			}
		}
		for names, at := range first {
			emit(float64(at), names)
		}
	}, "names")
	gauge("config_last_reload_successful", "1, or 0 while a file has a fault and what was loaded before counts.",
		func(emit emitter) { emit(truth(!files.faulty.Load())) })
	gauge("config_last_reload_success_timestamp_seconds", "When the files were last looked at and had no fault.",
		func(emit emitter) { emit(float64(files.loaded.Load())) })
	add(prometheus.CounterValue, "log_lines_dropped_total", "Lines of logs that were dropped or could not be written.",
		func(emit emitter) {
			for log, lost := range written.lost {
				var lines uint64
				for _, n := range lost {
					lines += n.Load()
				}
				emit(float64(lines), log)
			}
		}, "log")
	outbox := r.hooks.outbox
	if outbox == nil {
		return all
	}
	add(prometheus.CounterValue, "hook_deliveries_total", "Calls that told a hook of an event; one that failed is made again.",
		func(emit emitter) {
			for _, d := range outbox.Deliveries() {
				emit(float64(d.Made), d.Hook, "success")
				emit(float64(d.Failed), d.Hook, "failed")
			}
		}, "hook", "result")
	gauge("hook_failing", "1 while a hook fails and its events wait, else 0.", func(emit emitter) {
		for _, d := range outbox.Deliveries() {
			emit(truth(d.Failing), d.Hook)
		}
	}, "hook")
	return all
}

// truth is 1 for true.
func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
