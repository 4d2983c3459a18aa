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
	// limit is a setting. One that limits nothing has no value.
	limit := func(name, help string, of func(*host.Config) int) {
		add(prometheus.GaugeValue, name, help, func(emit emitter) {
			if n := of(&r.options.Load().config); n > 0 {
				emit(float64(n))
			}
		})
	}
	add(prometheus.GaugeValue, "build_info", "1, with the version of the server.", func(emit emitter) {
		emit(1, host.Version)
	}, "version")
	limit("max_sessions", "Sessions that may be open at a time.", func(c *host.Config) int { return c.Limits.Sessions })
	limit("max_passive_ports", "Ports for passive data connections.", func(c *host.Config) int {
		if c.Passive.FirstPort == 0 {
			return 0
		}
		return int(c.Passive.LastPort) - int(c.Passive.FirstPort) + 1
	})
	add(prometheus.GaugeValue, "certificate_not_after_timestamp_seconds", "When a certificate expires; of several for the same "+
		"names the first to expire.", func(emit emitter) {
		first := map[string]int64{}
		for _, c := range r.options.Load().tls.told() {
			names := strings.ToValidUTF8(strings.Join(c.Names, ","), "?")
			if at, known := first[names]; !known || c.Until.Unix() < at {
				first[names] = c.Until.Unix()
			}
		}
		for names, at := range first {
			emit(float64(at), names)
		}
	}, "names")
	add(prometheus.GaugeValue, "config_last_reload_successful", "0 while a file has a fault and what was loaded before counts, else 1.",
		func(emit emitter) {
			emit(truth(!files.faulty.Load()))
		})
	add(prometheus.GaugeValue, "config_last_reload_success_timestamp_seconds", "When the files were last loaded or looked at, and "+
		"had no fault.", func(emit emitter) { emit(float64(files.loaded.Load())) })
	add(prometheus.CounterValue, "log_lines_dropped_total", "Lines of a log that were dropped or could not be written.",
		func(emit emitter) {
			for flag, lost := range written.lost {
				var lines uint64
				for _, n := range lost {
					lines += n.Load()
				}
				emit(float64(lines), flag)
			}
		}, "log")
	outbox := r.hooks.outbox
	if outbox == nil {
		return all
	}
	add(prometheus.CounterValue, "hook_deliveries_total", "Calls that told a hook of an event, by result; a failed one is tried again.",
		func(emit emitter) {
			for _, d := range outbox.Deliveries() {
				emit(float64(d.Made), d.Hook, "success")
				emit(float64(d.Failed), d.Hook, "failed")
			}
		}, "hook", "result")
	add(prometheus.GaugeValue, "hook_failing", "1 while a hook fails and its events wait, else 0.", func(emit emitter) {
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
