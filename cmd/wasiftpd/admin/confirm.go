package admin

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// task is what the page has a question before. GET /confirm?do=NAME asks it, and POST /confirm
// does it, with what stands in the question's form.
type task struct {
	ask  func(s *Server, given url.Values) (question, error)
	do   func(*Server, *http.Request) (any, error)
	done func(any) string
}

// question is what is asked, or what has come of the answer.
type question struct {
	Title, Text string
	Button      string   // "" asks nothing
	Kept        []string // the values of the request that go into the form unseen
	Fields      []field
	Given       url.Values // the values of the request
	Fault       error      // why it was not done
}

// field is a value that whoever answers may change.
type field struct{ Name, Label, Hint string }

var tasks = map[string]task{
	"kick": {
		ask: func(s *Server, given url.Values) (q question, err error) {
			one, err := s.session(given.Get("id"))
			if err != nil {
				return q, err
			}
			is := sessionOf(one)
			text := clean(cmp.Or(is.User, "A client that has not logged in")) + " from " + is.Client
			if is.Doing != "" {
				text += ", " + is.Doing + " of " + clean(is.Path)
			}
			return question{
				Title: fmt.Sprintf("End session %d?", is.ID), Button: "End the session", Kept: []string{"id"},
				Text:   text + ". The client gets the reply 421. A transfer under way breaks off.",
				Fields: []field{{"reason", "Text of the reply", "the usual one"}},
			}, nil
		},
		do:   (*Server).kick,
		done: func(done any) string { return fmt.Sprintf("Session %d has ended.", done.(Session).ID) },
	},
	"ban": {
		ask: func(_ *Server, given url.Values) (question, error) {
			return question{
				Title: "Ban " + clean(cmp.Or(given.Get("network"), "a network")) + "?", Button: "Ban",
				Text:   "No new session begins from there. Sessions that are there stay.",
				Fields: []field{{"network", "Address or network", "192.0.2.0/24"}, {"for", "For", "24h"}},
			}, nil
		},
		do:   (*Server).ban,
		done: func(any) string { return "The ban has begun." },
	},
	"unban": {
		ask: func(_ *Server, given url.Values) (question, error) {
			return question{
				Title: "End the bans of " + clean(given.Get("network")) + "?", Button: "End the bans", Kept: []string{"network"},
				Text: "Clients from there may connect again at once.",
			}, nil
		},
		do:   (*Server).unban,
		done: func(done any) string { return fmt.Sprintf("Bans that have ended: %d.", done.(Ended).Ended) },
	},
	"lock": {
		ask: func(_ *Server, given url.Values) (question, error) {
			return question{
				Title: "Lock " + clean(cmp.Or(given.Get("name"), "a user")) + "?", Button: "Lock",
				Text: "The user cannot log in until you unlock the name or load the files again. " +
					"Sessions of the user end when they are idle.",
				Fields: []field{{"name", "User", ""}},
			}, nil
		},
		do:   func(s *Server, r *http.Request) (any, error) { return s.lock(r, true) },
		done: lockDone,
	},
	"unlock": {
		ask: func(_ *Server, given url.Values) (question, error) {
			return question{
				Title: "Unlock " + clean(given.Get("name")) + "?", Button: "Unlock", Kept: []string{"name"},
				Text: "The user can log in again, unless the users file keeps the name out.",
			}, nil
		},
		do:   func(s *Server, r *http.Request) (any, error) { return s.lock(r, false) },
		done: lockDone,
	},
	"reload": {
		ask: func(*Server, url.Values) (question, error) {
			return question{
				Title: "Load the files again?", Button: "Load",
				Text: "The configuration, users, certificates and tokens that have changed count from then on. Locked users are unlocked.",
			}, nil
		},
		do: func(s *Server, r *http.Request) (any, error) { return s.config.Reload(r.Context()) },
		done: func(done any) string {
			r := done.(Reload)
			text := "Nothing had changed."
			if len(r.Loaded) > 0 {
				text = "Loaded: " + strings.Join(r.Loaded, "; ") + "."
			}
			if len(r.Faults) > 0 {
				text += " These stay as they were: " + strings.Join(r.Faults, "; ")
			}
			return text
		},
	},
	"drain": {
		ask: func(*Server, url.Values) (question, error) {
			return question{
				Title: "Stop the server?", Button: "Stop the server",
				Text:   "No new session begins. Transfers under way may finish for a while; then the server ends, and this page with it.",
				Fields: []field{{"for", "Time for transfers", "as --stop-timeout says"}},
			}, nil
		},
		do: (*Server).drain,
		done: func(done any) string {
			return fmt.Sprintf("The server stops. Sessions still there: %d.", done.(Drain).Sessions)
		},
	},
}

func lockDone(done any) string {
	l := done.(Lock)
	state := map[bool]string{true: "locked", false: "not locked"}[l.Locked]
	if !l.Changed {
		state += " already"
	}
	return clean(l.User) + " is " + state + "."
}

// confirm answers GET and POST /confirm.
func (s *Server) confirm(w http.ResponseWriter, r *http.Request) {
	q, err := s.confirmed(r)
	status := http.StatusOK
	if err != nil {
		status, q.Fault = statusOf(err), err
	}
	render(w, status, "confirm", q)
}

// confirmed asks a question, or does what it was asked for. With an error the question may be
// asked again.
func (s *Server) confirmed(r *http.Request) (q question, err error) {
	q.Title = "Not done"
	t, known := tasks[r.FormValue("do")]
	switch {
	case !known:
		return q, badRequest("do=%s is nothing that can be done here", r.FormValue("do"))
	case !callerOf(r).Write:
		return q, errReads(callerOf(r))
	}
	asked, err := t.ask(s, r.Form)
	if err != nil {
		return q, err
	}
	asked.Given = r.Form
	if r.Method != http.MethodPost {
		return asked, nil
	}
	for _, name := range []string{"id", "name"} { // the API has them in its paths
		r.SetPathValue(name, r.FormValue(name))
	}
	done, err := s.perform(r, func(r *http.Request) (any, error) { return t.do(s, r) })
	if err != nil {
		return asked, err
	}
	return question{Title: "Done", Text: t.done(done)}, nil
}
