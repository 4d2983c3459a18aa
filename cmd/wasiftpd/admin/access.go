package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// Trusted answers requests of whoever may do all. As with [Server.Guarded], those that a browser
// sends for another site change nothing: a proxy may be in front.
func (s *Server) Trusted() http.Handler {
	return http.NewCrossOriginProtection().Handler(s.as(Token{Name: "the socket's owner", Write: true}, s.mux))
}

// open are the paths that need no token, for load balancers and the like.
var open = []string{"/healthz", "/readyz"}

// Guarded answers requests that carry a token: as Authorization: Bearer, or as a password,
// whatever the name, by basic authentication. Requests that a browser sends for another site
// change nothing.
func (s *Server) Guarded() http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(open, r.URL.Path) {
			s.mux.ServeHTTP(w, r)
			return
		}
		token, ok := s.config.Tokens().find(tokenOf(r))
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer realm="wasiftpd"`)
			refuse(w, http.StatusUnauthorized, errors.New("no good token was given; send Authorization: Bearer TOKEN"))
			return
		}
		s.as(token, s.mux).ServeHTTP(w, r)
	}))
}

// tokenOf is the token that a request carries, "" for none.
func tokenOf(r *http.Request) string {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return text
	}
	return ""
}

type callerKey struct{}

// as has a handler answer requests in the name of a token.
func (s *Server) as(t Token, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, t)))
	})
}

// maxBody is how long the body of a request may be, in bytes.
const maxBody = 64 << 10

// caller is who makes a request.
func caller(r *http.Request) Token {
	t, _ := r.Context().Value(callerKey{}).(Token)
	return t
}
