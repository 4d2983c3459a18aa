package admin

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// Trusted answers requests of whoever may do all. Those that a browser sends for another site
// change nothing.
func (s *Server) Trusted() http.Handler {
	owner := caller{Token: Token{Name: "the socket's owner", Write: true}, still: func() bool { return true }}
	return shielded(as(owner, s.mux))
}

// Guarded answers requests that carry a token as Authorization: Bearer, or the cookie that POST
// /login gives for one. Requests that a browser sends for another site change nothing.
func (s *Server) Guarded() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /login", s.askToken)
	m.HandleFunc("POST /login", s.logIn)
	for _, open := range append([]string{"/healthz", "/readyz"}, assets...) { // for load balancers, and for the form above
		m.Handle("GET "+open, s.mux)
	}
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c, err := s.admit(r)
		switch {
		case err == nil:
			as(c, s.mux).ServeHTTP(w, r)
		case statusOf(err) == http.StatusUnauthorized && r.Method == http.MethodGet && wantsPage(r):
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="wasiftpd"`)
			failed(w, err)
		}
	})
	return shielded(m)
}

// wantsPage says whether a browser shows the answer to a request.
func wantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// caller is who makes a request.
type caller struct {
	Token
	still func() bool // whether it would be let in once more
	visit string      // the cookie that it came by, "" for none
}

// admit finds who makes a request.
func (s *Server) admit(r *http.Request) (c caller, err error) {
	if cookie, err := r.Cookie(cookieName); err == nil {
		if t, ok := s.visitor(cookie.Value); ok {
			still := func() bool {
				_, ok := s.visitor(cookie.Value)
				return ok
			}
			return caller{t, still, cookie.Value}, nil
		}
	}
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return c, refusal{http.StatusUnauthorized, errors.New("no token was given; send Authorization: Bearer TOKEN")}
	}
	if c.Token, err = s.try(r, text); err != nil {
		return c, err
	}
	c.still = func() bool {
		_, ok := s.config.Tokens().find(text)
		return ok
	}
	return c, nil
}

type callerKey struct{}

// as has a handler answer requests in the name of a caller.
func as(c caller, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

func callerOf(r *http.Request) caller {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c
}

// from is the address that a request comes from, the zero value for a Unix socket.
func from(r *http.Request) netip.Addr {
	client, _ := netip.ParseAddrPort(r.RemoteAddr)
	return client.Addr().Unmap()
}

// maxBody is how long the body of a request may be, in bytes.
const maxBody = 64 << 10

// policy is all that a browser may do with our page: to load what is ours, and to make markup of
// text in one place of script.js.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types page"

// shielded is a handler whose answers no other site can use, and that no other site can use to
// change something.
func shielded(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Content-Security-Policy": policy, "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		} {
			w.Header().Set(name, value)
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}
