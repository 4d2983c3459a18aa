package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"wasiftp/host"
	"wasiftp/host/bans"
)

// Version is the first element of the paths of the API. What is added later, such as a field,
// does not change it.
const Version = "v1"

// route makes the table of all that can be asked for.
func (s *Server) route() {
	for _, r := range []struct {
		pattern string
		answer  http.HandlerFunc
	}{
		{"GET /v1/status", s.get(func(*http.Request) (any, error) { return s.status(), nil })},
		{"GET /v1/sessions", s.get(func(*http.Request) (any, error) { return s.sessions(), nil })},
		{"DELETE /v1/sessions/{id}", s.change(s.kick)},
		{"GET /v1/users", s.get(func(*http.Request) (any, error) { return s.users(), nil })},
		{"PUT /v1/users/{name}/lock", s.change(func(r *http.Request) (any, error) { return s.lock(r, true) })},
		{"DELETE /v1/users/{name}/lock", s.change(func(r *http.Request) (any, error) { return s.lock(r, false) })},
		{"GET /v1/bans", s.get(func(*http.Request) (any, error) { return s.bans(), nil })},
		{"POST /v1/bans", s.change(s.ban)},
		{"DELETE /v1/bans", s.change(s.unban)},
		{"GET /v1/quotas", s.get(func(*http.Request) (any, error) { return s.config.Quotas() })},
		{"POST /v1/reload", s.change(func(r *http.Request) (any, error) { return s.config.Reload(r.Context()) })},
		{"POST /v1/drain", s.change(s.drain)},
		{"GET /v1/health", s.get(func(r *http.Request) (any, error) { return s.config.Health(r.Context()), nil })},
		{"GET /v1/rates", s.get(func(*http.Request) (any, error) { return s.rates.lastHour(), nil })},
		{"GET /v1/events", s.listEvents},
		{"GET /v1/live", s.streamLive},
	} {
		s.mux.HandleFunc(r.pattern, r.answer)
	}
	s.mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, fmt.Errorf("there is no %s %s", r.Method, r.URL.Path))
	})
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { s.probe(w, Health{Ready: true}) })
	s.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { s.probe(w, s.config.Health(r.Context())) })
	if s.config.Metrics != nil {
		s.mux.Handle("GET /metrics", s.config.Metrics)
	}
	s.routePage()
}

// probe answers whoever decides by the status alone, such as a load balancer.
func (s *Server) probe(w http.ResponseWriter, h Health) {
	status := http.StatusOK
	if !h.Ready {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, h)
}

// refusal is an error of a request, and the status for it.
type refusal struct {
	status int
	error
}

func badRequest(format string, args ...any) error {
	return refusal{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

// get makes a handler of a function that reads.
func (s *Server) get(of func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		found, err := of(r)
		if err != nil {
			failed(w, err)
			return
		}
		answer(w, http.StatusOK, found)
	}
}

// change makes a handler of a function that changes something.
func (s *Server) change(of func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		done, err := s.perform(r, of)
		if err != nil {
			failed(w, err)
			return
		}
		answer(w, http.StatusOK, done)
	}
}

// perform calls a function that changes something, if its caller may. It logs who has done it.
func (s *Server) perform(r *http.Request, of func(*http.Request) (any, error)) (done any, err error) {
	by := callerOf(r)
	if !by.Write {
		return nil, errReads(by)
	}
	if err = r.ParseForm(); err != nil {
		return nil, badRequest("the body of the request is no form: %w", err)
	}
	request := r.Method + " " + r.URL.EscapedPath()
	if len(r.Form) > 0 {
		request += "?" + r.Form.Encode()
	}
	if done, err = of(r); err != nil {
		s.config.Logger.Warn("an administrator's request failed", "by", by.Name, "request", request, "err", err)
		return nil, err
	}
	s.config.Logger.Info("an administrator's request", "by", by.Name, "request", request)
	return done, nil
}

func errReads(by caller) error {
	return refusal{http.StatusForbidden, fmt.Errorf("the token %q may only read; give it the rights admin", by.Name)}
}

func failed(w http.ResponseWriter, err error) {
	refuse(w, statusOf(err), err)
}

// statusOf is the status of HTTP for an error.
func statusOf(err error) int {
	if r := (refusal{}); errors.As(err, &r) {
		return r.status
	}
	return http.StatusInternalServerError
}

func refuse(w http.ResponseWriter, status int, err error) {
	answer(w, status, Fault{err.Error()})
}

// Fault is the answer to a request that failed.
type Fault struct {
	Error string `json:"error"`
}

func answer(w http.ResponseWriter, status int, content any) {
	b, err := json.Marshal(content)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}

// status completes what Config.Status says.
func (s *Server) status() Status {
	status := s.config.Status()
	status.Totals = s.totals(s.ftp.Sessions())
	status.Bans = len(s.ftp.Bans().Bans())
	return status
}

// totals counts what is the same for all of these sessions, which are all that are open.
func (s *Server) totals(open []host.Session) (t Totals) {
	var underWay moved
	t.Sessions = len(open)
	for _, one := range open {
		if one.Account != "" {
			t.LoggedIn++
		}
		switch one.Doing {
		case "download":
			t.Transfers++
			underWay.sent += one.Bytes
		case "upload":
			t.Transfers++
			underWay.received += one.Bytes
		}
	}
	total := s.rates.total(underWay)
	t.Sent, t.Received = total.sent, total.received
	return t
}

func (s *Server) sessions() []Session {
	all := []Session{}
	for _, one := range s.ftp.Sessions() {
		all = append(all, sessionOf(one))
	}
	return all
}

// session finds an open session by its number.
func (s *Server) session(number string) (none host.Session, err error) {
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return none, badRequest("%q is no number of a session", number)
	}
	for _, one := range s.ftp.Sessions() {
		if one.Number == id {
			return one, nil
		}
	}
	return none, refusal{http.StatusNotFound, fmt.Errorf("there is no session %d", id)}
}

func (s *Server) kick(r *http.Request) (any, error) {
	one, err := s.session(r.PathValue("id"))
	if err == nil {
		one.Close(r.FormValue("reason"))
	}
	return sessionOf(one), err
}

func (s *Server) users() []User {
	sessions := map[string]int{}
	for _, one := range s.ftp.Sessions() {
		sessions[one.Account]++
	}
	all := s.config.Users()
	for i := range all {
		all[i].Sessions = sessions[all[i].Name]
	}
	return all
}

// Lock is the answer to a request to lock a user, or not to.
type Lock struct {
	User    string `json:"user"`
	Locked  bool   `json:"locked"`
	Changed bool   `json:"changed"` // it was not so before
}

func (s *Server) lock(r *http.Request, locked bool) (any, error) {
	user := r.PathValue("name")
	if user == "" {
		return nil, badRequest("no user is named")
	}
	return Lock{user, locked, s.config.Lock(user, locked)}, nil
}

// BanOf is a ban as the API tells it.
func BanOf(b bans.Ban) Ban {
	return Ban{b.Network.String(), b.From, b.Until, b.Failures, b.Nth, b.Refused}
}

func (s *Server) bans() []Ban {
	all := []Ban{}
	for _, b := range s.ftp.Bans().Bans() {
		all = append(all, BanOf(b))
	}
	return all
}

// BanTime is how long a ban by hand lasts if nothing is said.
const BanTime = 24 * time.Hour

func (s *Server) ban(r *http.Request) (any, error) {
	network, err := ParseNetwork(r.FormValue("network"))
	if err != nil {
		return nil, refusal{http.StatusBadRequest, err}
	}
	lasts, err := parseTime(r.FormValue("for"), BanTime)
	if err != nil {
		return nil, err
	}
	if lasts == 0 {
		return nil, badRequest("a ban lasts longer than 0")
	}
	if err := s.ftp.Bans().Add(network, lasts); err != nil {
		return nil, err
	}
	return s.bans(), nil
}

// Ended is the answer to a request to end bans.
type Ended struct {
	Ended int `json:"ended"`
}

func (s *Server) unban(r *http.Request) (any, error) {
	networks, err := ParseNetworks(r.FormValue("network"))
	if err != nil {
		return nil, refusal{http.StatusBadRequest, err}
	}
	var e Ended
	for _, network := range networks {
		e.Ended += s.ftp.Bans().Clear(network)
	}
	return e, nil
}

// Drain is the answer to POST /v1/drain.
type Drain struct {
	Sessions int `json:"sessions"` // that are still there
}

func (s *Server) drain(r *http.Request) (any, error) {
	within, err := parseTime(r.FormValue("for"), 0)
	if err != nil {
		return nil, err
	}
	s.config.Drain(within)
	return Drain{len(s.ftp.Sessions())}, nil
}

func parseTime(text string, usual time.Duration) (time.Duration, error) {
	if text == "" {
		return usual, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, badRequest("%q is no time such as 90s, 10m or 1h30m", text)
	}
	return d, nil
}

// The states of a server.
const (
	Serving  = "serving"
	Draining = "draining"
)
