package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"

	"wasiftp/host"
)

// watchedServer is a server with all that has metrics. Its API is at base.
type watchedServer struct {
	*running
	dir, base, config, cert string
	client                  *http.Client
	hook                    *inbox
}

func startWatched(t *testing.T) *watchedServer {
	t.Helper()
	w := &watchedServer{dir: t.TempDir(), hook: newInbox(t)}
	hook := "[[hook]]\non = [\"upload\"]\nname = \"thumbnails\"\nurl = \"" + w.hook.URL + "\"\n"
	w.config = write(t, w.dir, "wasiftpd.toml", hook)
	w.running, w.base, w.client = administered(t, w.dir, "--root", t.TempDir(), "--user", "ann:secret:rw", "--metrics-users",
		"--config", w.config, "--state-dir", t.TempDir(), "--transfer-log", filepath.Join(w.dir, "xferlog"),
		"--passive-ports", "30000-31999")
	w.cert = filepath.Join(w.dir, "localhost.pem")
	return w
}

// move uploads a file of some bytes, downloads it, and downloads another one in vain, under TLS.
func (w *watchedServer) move(size int) {
	w.t.Helper()
	file := write(w.t, w.t.TempDir(), "file", strings.Repeat("x", size))
	here := []string{"--ssl-reqd", "--cacert", w.cert, "--connect-to", "localhost::" + w.addr, "-u", "ann:secret"}
	for _, try := range []struct {
		args []string
		want bool
	}{
		{[]string{"-T", file, "ftp://localhost/file"}, true}, {[]string{"ftp://localhost/file", "-o", os.DevNull}, true},
		{[]string{"ftp://localhost/missing"}, false},
	} {
		if out, ok := curl(w.t, append(slices.Clone(here), try.args...)...); ok != try.want {
			w.t.Fatal(out)
		}
	}
}

// scrape is what Prometheus would get.
func (w *watchedServer) scrape() string {
	w.t.Helper()
	request, _ := http.NewRequest(http.MethodGet, w.base+"/metrics", nil)
	request.Header.Set("Authorization", "Bearer "+readToken)
	response, err := w.client.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s, %v", response.Status, content, err)
	}
	return string(content)
}

// shows waits until a scrape has all the lines, and returns it.
func (w *watchedServer) shows(lines ...string) (text string) {
	w.t.Helper()
	until(w.t, fmt.Sprintf("%q are not all there", lines), func() bool {
		text = w.scrape()
		return !slices.ContainsFunc(lines, func(line string) bool { return !strings.Contains(text, "\n"+line+"\n") })
	})
	return text
}

// until waits for a condition.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

var metricName = regexp.MustCompile(`\b(wasiftp|process|go)_[a-z0-9_]+`)

// Each metric has its row in the manual, and each one in the dashboard and the rules is there.
// They follow reloads and hooks.
func TestMetricsOfProgram(t *testing.T) {
	t.Parallel()
	w := startWatched(t)
	w.hook.set(true)
	w.move(5000)
	text := w.shows(
		`wasiftp_user_transfer_bytes_total{direction="upload",result="complete",user="ann"} 5000`,
		`wasiftp_hook_failing{hook="thumbnails"} 1`, `wasiftp_config_last_reload_successful 1`, `wasiftp_max_sessions 1000`,
		`wasiftp_max_passive_ports 2000`, `wasiftp_log_lines_dropped_total{log="log"} 0`,
		`wasiftp_log_lines_dropped_total{log="transfer log"} 0`, `wasiftp_build_info{version="`+host.Version+`"} 1`,
	)
	if until := regexp.MustCompile(`wasiftp_certificate_not_after_timestamp_seconds\{names="localhost"\} (\S+)`).
		FindStringSubmatch(text); until == nil {
		t.Error("the certificate has no end")
	} else if at, _ := strconv.ParseFloat(until[1], 64); time.Until(time.Unix(int64(at), 0)).Abs() > time.Hour {
		t.Errorf("the certificate ends at %s", until[1])
	}

	exported := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (\w+) (\w+)$`).FindAllStringSubmatch(text, -1) {
		exported[line[1]] = line[2]
	}
	manual := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(wasiftp_\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(readManual(t), -1) {
		manual[row[1]] = row[2]
	}
	for name, kind := range exported {
		if strings.HasPrefix(name, "wasiftp_") && manual[name] != kind {
			t.Errorf("the manual has no row for the %s %s", kind, name)
		}
	}
	for name := range manual {
		if exported[name] == "" {
			t.Errorf("the manual has %s, which there is not", name)
		}
	}
	for _, file := range []string{"grafana.json", "alerts.yml", "alerts_test.yml"} {
		content := readFile(t, filepath.Join("dashboards", file))
		for _, name := range metricName.FindAllString(content, -1) {
			if exported[name] == "" && exported[strings.TrimSuffix(name, "_bucket")] != "histogram" {
				t.Errorf("%s has %s, which there is not", file, name)
			}
		}
	}

	w.hook.set(false)
	w.shows(`wasiftp_hook_failing{hook="thumbnails"} 0`, `wasiftp_hook_deliveries_total{hook="thumbnails",result="success"} 1`)
	good := readFile(t, w.config)
	write(t, w.dir, "wasiftpd.toml", "rubbish")
	w.shows(`wasiftp_config_last_reload_successful 0`)
	write(t, w.dir, "wasiftpd.toml", good+"parallel = 3\n")
	w.log.until(`msg="configuration loaded"`)
	w.shows(`wasiftp_config_last_reload_successful 1`, `wasiftp_hook_deliveries_total{hook="thumbnails",result="success"} 1`)
}

// The rules name commands that there are.
func TestAlertsNameCommands(t *testing.T) {
	t.Parallel()
	_, rules, _ := strings.Cut(readFile(t, "dashboards/alerts.yml"), "groups:")
	for _, words := range regexp.MustCompile(`\bwasiftpd ([a-z]+)`).FindAllStringSubmatch(rules, -1) {
		if command, _, err := new(program).command().Find(words[1:]); err != nil || !command.HasParent() {
			t.Errorf("there is no wasiftpd %s", words[1])
		}
	}
}

// The dashboard is one by Grafana's own schema. Its panels are there once, and do not overlap.
func TestDashboard(t *testing.T) {
	t.Parallel()
	ids := map[uint32]bool{}
	rows := map[string]bool{}
	for _, p := range panels(t) {
		if ids[*p.Id] {
			t.Errorf("two panels have the id %d", *p.Id)
		}
		ids[*p.Id] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				place := fmt.Sprint(p.GridPos.X+x, p.GridPos.Y+y)
				if rows[place] || p.GridPos.X+x >= 24 {
					t.Fatalf("%q has no place of its own", *p.Title)
				}
				rows[place] = true
			}
		}
		if len(p.Targets) == 0 {
			t.Errorf("%q shows nothing", *p.Title)
		}
	}
}

// grafanaDashboard is a dashboard as Grafana 10 and later read it.
//
//lint:ignore SA1019 Only Grafana 12 and later read the schema that is to replace it.
type grafanaDashboard = dashboard.Dashboard

// grafanaPlugins has the reader know the kinds of panels and queries.
var grafanaPlugins = sync.OnceFunc(plugins.RegisterDefaultPlugins)

// panels are those of the dashboard, also in rows.
func panels(t *testing.T) (all []dashboard.Panel) {
	t.Helper()
	content := []byte(readFile(t, "dashboards/grafana.json"))
	grafanaPlugins()
	// The strict reader returns an error without text where there is no fault, and keeps no panel then.
	if err := new(grafanaDashboard).UnmarshalJSONStrict(content); err != nil && err.Error() != "" {
		t.Fatal(err)
	}
	var d grafanaDashboard
	if err := errors.Join(json.Unmarshal(content, &d), d.Validate()); err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Panels {
		if p.Panel != nil {
			all = append(all, *p.Panel)
		} else {
			all = append(all, p.RowPanel.Panels...)
		}
	}
	return all
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// readManual reads the manual's section about metrics.
func readManual(t *testing.T) string {
	t.Helper()
	_, section, _ := strings.Cut(readFile(t, "README.md"), "\n## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// prometheusServer is a real one.
type prometheusServer struct {
	t    *testing.T
	base string
}

// startPrometheus starts Prometheus as the manual says, but for names, and waits until it answers.
func (w *watchedServer) startPrometheus() *prometheusServer {
	w.t.Helper()
	binary, dir := tool(w.t, "prometheus"), w.t.TempDir()
	dashboards, err := filepath.Abs("dashboards")
	if err != nil {
		w.t.Fatal(err)
	}
	_, config, _ := strings.Cut(readManual(w.t), "```yaml\n")
	config, _, _ = strings.Cut(config, "```")
	config = strings.NewReplacer(
		"/usr/share/wasiftpd/dashboards", dashboards,
		"/etc/prometheus/wasiftpd-token", write(w.t, dir, "token", readToken+"\n"),
		"ftp.example.org:8443", strings.TrimPrefix(w.base, "https://"),
		"# tls_config", "tls_config", "/etc/prometheus/ca.pem", w.cert, "ftp.example.org", "localhost",
	).Replace(config)
	file := write(w.t, dir, "prometheus.yml", "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"+config)
	promtool(w.t, "", "check", "config", file)

	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	p := &prometheusServer{w.t, "http://" + address}
	log := newOutput()
	cmd := exec.Command(binary, "--config.file="+file, "--storage.tsdb.path="+dir, "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	w.t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	until(w.t, "Prometheus does not answer", func() bool {
		select {
		case <-ended:
			w.t.Fatalf("Prometheus has ended:\n%s", log)
		default:
		}
		response, err := http.Get(p.base + "/-/ready")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return p
}

func (p *prometheusServer) get(path string, query url.Values, data any) {
	p.t.Helper()
	response, err := http.Get(p.base + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Status != "success" {
		p.t.Fatalf("%v: %s, %v", query, answer.Error, err)
	}
}

// values are those of a query, by nothing in particular.
func (p *prometheusServer) values(query string) (all []string) {
	p.t.Helper()
	var data struct{ Result []struct{ Value [2]any } }
	p.get("query", url.Values{"query": {query}}, &data)
	for _, one := range data.Result {
		all = append(all, fmt.Sprint(one.Value[1]))
	}
	return all
}

// shows waits until a query has one value.
func (p *prometheusServer) shows(query, want string) {
	p.t.Helper()
	until(p.t, query+" is not "+want, func() bool { return slices.Equal(p.values(query), []string{want}) })
}

// promtool runs Prometheus' own tool.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := exec.Command(tool(t, "promtool"), args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("promtool %v: %v\n%s", args, err, out)
	}
}

// Prometheus scrapes the server as the manual says, has the sums that were moved, loads the
// rules, of which one fires, and has data for each panel of the dashboard.
func TestPrometheusScrapes(t *testing.T) {
	t.Parallel()
	promtool(t, "", "check", "rules", "dashboards/alerts.yml")
	promtool(t, "", "test", "rules", "dashboards/alerts_test.yml")
	w := startWatched(t)
	p := w.startPrometheus()
	p.shows(`up{job="wasiftpd"}`, "1")
	p.shows(`sum(wasiftp_logins_total)`, "0")
	w.move(70_000)
	w.move(3)
	p.shows(`sum(wasiftp_transfer_bytes_total{direction="upload",tls="true",result="complete"})`, "70003")
	p.shows(`sum(wasiftp_moved_bytes_total)`, "140006")
	p.shows(`wasiftp_logins_total{result="success"}`, "6")
	p.shows(`sum(wasiftp_commands_total{verb="PASS",code="230"})`, "6")
	p.shows(`sum(increase(wasiftp_transfers_total[1h])) > bool 3`, "1")
	promtool(t, w.scrape(), "check", "metrics")

	p.shows(`count(ALERTS{alertstate="firing", alertname="WasiftpdCertificateExpires"})`, "1")
	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	p.get("rules", nil, &rules)
	if len(rules.Groups) != 1 {
		t.Fatalf("%+v", rules)
	}
	for _, rule := range rules.Groups[0].Rules {
		if rule.Health != "ok" {
			t.Errorf("%+v", rule)
		}
	}
	for _, panel := range panels(t) {
		for _, target := range panel.Targets {
			query := strings.NewReplacer("$instance", ".*", "$__rate_interval", "1m").Replace(target.(*prometheus.Dataquery).Expr)
			until(t, *panel.Title+" has no data", func() bool { return len(p.values(query)) > 0 })
		}
	}
}
