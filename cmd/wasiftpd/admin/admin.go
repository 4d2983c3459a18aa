// Package admin steers a server and shows what it does: by an HTTP API, which programs and the
// commands of wasiftpd speak, and by a page for people.
//
// Whoever reaches [Server.Trusted] may do all; that is for a Unix socket, whose file keeps
// others out. Whoever reaches [Server.Guarded] needs a token.
package admin

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"wasiftp/host"
)

// Config says what is steered. All functions may be called from any goroutine.
type Config struct {
	Logger *slog.Logger // is told of all that is changed, and by whom

	Metrics http.Handler // answers GET /metrics
	Tokens  func() Tokens

	Record func(*host.Event) slog.Record // an event as a record of the log; a group without a name may have its attributes

	// AppendJSON appends a record as a line of the log in JSON, without the line's end.
	AppendJSON func([]byte, slog.Record) []byte

	Status func() Status // but for what sessions and bans say
	Users  func() []User // but for their sessions

	// Lock keeps a user out until the next reload, and ends his sessions when they are idle;
	// false lets him in again. It returns false if he was locked, or not locked, before.
	Lock func(user string, locked bool) bool

	Quotas func() ([]Quota, error)
	Reload func(context.Context) (Reload, error)

	// Drain has the server end when its transfers are done, or after a time; 0 is the one that it
	// is configured for. It returns at once.
	Drain  func(within time.Duration)
	Health func(context.Context) Health
}

// Server is the API and the page of one FTP server. It is its Observer too.
type Server struct {
	config Config
	ftp    *host.Server
	mux    *http.ServeMux
	events events
	rates  rates
	live   live
	logins logins
}

// New makes the API and the page.
func New(config Config) *Server {
	s := &Server{config: config, mux: http.NewServeMux(), logins: newLogins()}
	s.route()
	return s
}

// Begin names the server, until ctx ends. Requests must not come before that.
func (s *Server) Begin(ctx context.Context, ftp *host.Server) {
	s.ftp = ftp
	go s.rates.follow(ctx, func() Totals { return s.totals(ftp.Sessions()) })
}

// Observe implements [host.Observer].
func (s *Server) Observe(e host.Event) {
	s.rates.count(&e)
	s.events.add(&e)
}
