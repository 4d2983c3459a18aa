package admin

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"

	"wasiftp/host"
)

//go:embed page
var files embed.FS

// assets are the paths of what pages are made with. They tell nothing.
var assets = []string{"/style.css", "/script.js", "/icon.svg"}

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"clean": clean, "clock": clock,
	"size":   size,
	"rate":   func(n float64) string { return size(int64(n)) + "/s" },
	"exact":  func(n int64) string { return humanize.Comma(n) + " bytes" },
	"count":  humanize.Comma,
	"share":  func(n, of int64) int64 { return 100 * min(n, of) / of },
	"levels": func() []string { return []string{"debug", "info", "warn"} },
}).ParseFS(files, "page/*.html"))

func (s *Server) routePage() {
	for _, path := range assets {
		s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "page"+path) })
	}
	s.mux.HandleFunc("GET /{$}", s.showStatus)
	s.mux.HandleFunc("GET /confirm", s.confirm)
	s.mux.HandleFunc("POST /confirm", s.confirm)
	s.mux.HandleFunc("POST /logout", s.logOut)
}

// render answers by a page.
func render(w http.ResponseWriter, status int, name string, data any) {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name+".html", data); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(page.Bytes())
}

// clean is a text of a client's, without characters that nobody sees or that turn others round.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// size is a number of bytes for people. script.js has the same.
func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// clock is a time for people: that of the day, for other days the date too.
func clock(t time.Time) string {
	t = t.Local()
	if now := time.Now(); now.YearDay() == t.YearDay() && now.Year() == t.Year() {
		return t.Format(time.TimeOnly)
	}
	return t.Format("2006-01-02 15:04")
}

// view is what the status page shows.
type view struct {
	Name     string // of the caller's token
	Write    bool
	Visit    bool // there is a cookie to end
	Now      time.Time
	Status   Status
	Sessions []sessionRow
	Plot     plot
	Guessers list[guesser]
	Bans     list[Ban]
	Users    list[User]
	Quotas   list[Quota]
	Events   []eventRow // the latest first
	Last     uint64     // number of the latest event that could be among them
	Given    struct{ Level, User, Text string }
	Faults   []error
}

// NoSession and NoEvent are what script.js makes rows of.
func (v view) NoSession() sessionRow { return sessionRow{Write: v.Write} }
func (view) NoEvent() eventRow       { return eventRow{} }

// Apart names attributes of events for script.js.
func (view) Apart() string { return apart }

// list is the beginning of a list, and how long that is.
type list[T any] struct {
	Shown []T
	All   int
}

func listOf[T any](all []T) list[T] { return list[T]{all[:min(len(all), mostShown)], len(all)} }

// sessionRow is a session, and whether there is a button to end it.
type sessionRow struct {
	Session
	Write bool
}

// guesser is an address from which logins have failed.
type guesser struct {
	Client string
	User   string // of the last try
	Times  int
	Last   time.Time
}

// eventRow is an event as people see it.
type eventRow struct {
	Time                       time.Time
	Level, Event, User, Client string
	Details                    []detail
}

// detail is an attribute of an event without a column of its own.
type detail struct{ Key, Value string }

// apart are the attributes that are no details, for they have a column or are of little interest.
const apart = "time level msg user client server tls"

// latest is how many events the page shows.
const latest = 100

// showStatus answers GET /.
func (s *Server) showStatus(w http.ResponseWriter, r *http.Request) {
	by := callerOf(r)
	v := view{
		Name: by.Name, Write: by.Write, Visit: by.visit != "", Now: time.Now(), Status: s.status(),
		Bans: listOf(s.bans()), Users: listOf(s.users()), Guessers: listOf(s.guessers()), Last: s.events.newest(),
	}
	for _, one := range shown(s.ftp.Sessions()) {
		v.Sessions = append(v.Sessions, sessionRow{sessionOf(one), v.Write})
	}
	v.Plot = plotOf(s.rates.lastHour(), v.Now)
	quotas, err := s.config.Quotas()
	if err != nil {
		v.Faults = append(v.Faults, fmt.Errorf("the quotas are not known: %w", err))
	}
	v.Quotas = listOf(quotas)
	q := r.URL.Query()
	v.Given.Level, v.Given.User, v.Given.Text = cmp.Or(q.Get("level"), "info"), q.Get("user"), q.Get("text")
	wanted, err := s.filter(r)
	if err != nil {
		v.Faults = append(v.Faults, err)
		wanted = func([]byte, *host.Event) json.RawMessage { return nil }
	}
	for _, e := range slices.Backward(s.events.all()) {
		if len(v.Events) < latest && e.number <= v.Last && wanted(nil, &e.Event) != nil {
			v.Events = append(v.Events, rowOf(s.config.Record(&e.Event)))
		}
	}
	render(w, http.StatusOK, "status", v)
}

// guessers are the addresses of failed logins among the events that are kept, the worst first.
func (s *Server) guessers() (all []guesser) {
	at := map[netip.Addr]int{}
	for _, e := range s.events.all() {
		if e.Kind != host.LoginFailed {
			continue
		}
		i, known := at[e.Client.Addr()]
		if !known {
			i = len(all)
			at[e.Client.Addr()] = i
			all = append(all, guesser{Client: e.Client.Addr().String()})
		}
		all[i].Times++
		all[i].User, all[i].Last = e.User, e.Time
	}
	slices.SortStableFunc(all, func(a, b guesser) int { return cmp.Compare(b.Times, a.Times) })
	return all
}

func rowOf(record slog.Record) eventRow {
	row := eventRow{Time: record.Time, Level: strings.ToLower(record.Level.String()), Event: record.Message}
	for _, a := range attrsOf(record) {
		value := a.Value.String()
		switch {
		case a.Key == "user":
			row.User = value
		case a.Key == "client":
			row.Client = value
		case slices.Contains(strings.Fields(apart), a.Key):
		case (a.Key == "bytes" || a.Key == "rate") && a.Value.Kind() == slog.KindInt64:
			row.Details = append(row.Details, detail{a.Key, size(a.Value.Int64())})
		default:
			row.Details = append(row.Details, detail{a.Key, value})
		}
	}
	return row
}

func attrsOf(record slog.Record) (all []slog.Attr) {
	record.Attrs(func(a slog.Attr) bool {
		if v := a.Value.Resolve(); a.Key == "" && v.Kind() == slog.KindGroup {
			all = append(all, v.Group()...)
		} else {
			all = append(all, a)
		}
		return true
	})
	return all
}
