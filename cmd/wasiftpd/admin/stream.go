package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"wasiftp/host"
)

// listEvents answers GET /v1/events: with a stream if the client accepts text/event-stream,
// else with those that are kept. Each is a line of the log in JSON.
func (s *Server) listEvents(w http.ResponseWriter, r *http.Request) {
	wanted, err := s.filter(r)
	if err != nil {
		failed(w, err)
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		s.streamEvents(w, r, wanted)
		return
	}
	all := []json.RawMessage{}
	for _, e := range s.events.all() {
		if line := wanted(nil, &e.Event); line != nil {
			all = append(all, line)
		}
	}
	answer(w, http.StatusOK, all)
}

// choice appends an event as JSON, or returns nil if it is not asked for.
type choice func(room []byte, e *host.Event) json.RawMessage

// filter reads the query level=, user=, session= and text=.
func (s *Server) filter(r *http.Request) (choice, error) {
	q := r.URL.Query()
	var level slog.Level
	if text := q.Get("level"); text != "" {
		if err := level.UnmarshalText([]byte(text)); err != nil {
			return nil, badRequest("level=%s is none of debug, info, warn and error", text)
		}
	}
	var session uint64
	if text := q.Get("session"); text != "" {
		var err error
		if session, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, badRequest("session=%s is no number", text)
		}
	}
	user, text := q.Get("user"), strings.ToLower(q.Get("text"))
	return func(room []byte, e *host.Event) json.RawMessage {
		if user != "" && e.User != user || session != 0 && e.Session != session {
			return nil
		}
		record := s.config.Record(e)
		if record.Level < level {
			return nil
		}
		line := s.config.AppendJSON(room, record)
		if text != "" && !strings.Contains(strings.ToLower(string(line)), text) {
			return nil
		}
		return line
	}, nil
}

// quiet is how long a stream may be silent before a comment shows that it is alive.
const quiet = 15 * time.Second

// gathered is how long a stream lets events gather: one write for each would cost a server of
// small files more than the files.
const gathered = 100 * time.Millisecond

// mostAtOnce is how many events a stream writes then. Of more it has the latest.
const mostAtOnce = 100

// streamEvents sends events as they come (HTML, "Server-sent events"), from the next one on, or
// behind that of the header Last-Event-ID or of after=. It tells of those that a slow client has
// missed.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request, wanted choice) {
	last := s.events.newest()
	if text := cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after")); text != "" {
		if number, err := strconv.ParseUint(text, 10, 64); err == nil {
			last = min(last, number)
		}
	}
	out := newStream(w, callerOf(r))
	room, line := make([]numbered, 0, mostAtOnce), json.RawMessage(nil)
	for out.flush() == nil {
		select {
		case <-time.After(gathered):
		case <-r.Context().Done():
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), quiet)
		found := s.events.after(ctx, last, room, true)
		cancel()
		if r.Context().Err() != nil || !out.to.still() {
			return
		}
		if len(found) == 0 {
			out.comment()
			continue
		}
		if missed := found[0].number - last - 1; missed > 0 {
			out.send("missed", 0, fmt.Appendf(nil, `{"time":%q,"level":"WARN","msg":"events missed","events":%d}`,
				time.Now().Format(time.RFC3339Nano), missed))
		}
		for i := range found {
			if one := wanted(line[:0], &found[i].Event); one != nil {
				out.send("", found[i].number, one)
				line = one
			}
		}
		last = found[len(found)-1].number
	}
}

// stream writes server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	to      caller
	waiting []byte // what the next flush sends
}

func newStream(w http.ResponseWriter, to caller) *stream {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy such as nginx would keep what it gets for a while
	w.WriteHeader(http.StatusOK)
	return &stream{w: w, control: http.NewResponseController(w), to: to}
}

// send sends an event at the next flush. kind "" is an ordinary message, id 0 none.
func (s *stream) send(kind string, id uint64, data []byte) {
	m := s.waiting
	if kind != "" {
		m = append(append(append(m, "event: "...), kind...), '\n')
	}
	if id != 0 {
		m = append(strconv.AppendUint(append(m, "id: "...), id, 10), '\n')
	}
	s.waiting = append(append(append(m, "data: "...), data...), "\n\n"...)
}

// errOver says that whoever reads a stream has logged out, or his token is gone.
var errOver = errors.New("the reader of the stream is no longer let in")

func (s *stream) comment() { s.waiting = append(s.waiting, ":\n\n"...) }

// flush sends what waits, to a client that takes it within some time and is still let in.
func (s *stream) flush() error {
	if !s.to.still() {
		return errOver
	}
	s.control.SetWriteDeadline(time.Now().Add(2 * quiet))
	s.w.Write(s.waiting) // Flush tells of its error
	s.waiting = s.waiting[:0]
	return s.control.Flush()
}
