package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"sync"
	"time"

	"wasiftp/host/bans"
)

// cookieName is that of a visit. By its prefix browsers keep it for this very host, and send it
// by HTTPS alone (RFC 6265bis, section 4.1.3).
const cookieName = "__Host-wasiftpd"

const (
	visitTime  = 12 * time.Hour // from a login to the next
	mostVisits = 1000
	formTime   = time.Minute // for the body of POST /login to come, and its answer
)

// logins are those of people, and the wrong tokens of anybody.
type logins struct {
	wrong *bans.Book

	mu     sync.Mutex
	visits map[[sha256.Size]byte]visit // by the hash of the cookie, so that a look-up's time tells nothing of it
}

// visit is what a cookie stands for.
type visit struct {
	token [sha256.Size]byte
	until time.Time
}

func newLogins() logins {
	// A ban is short: the tokens are too long to be guessed, and their owners may share the address.
	wrong, err := bans.New(bans.Policy{After: 10, Time: time.Minute, Longest: 10 * time.Minute, Remembered: 1 << 10}, nil)
	if err != nil {
		panic(err)
	}
	return logins{wrong: wrong, visits: map[[sha256.Size]byte]visit{}}
}

// try returns the token that a text is. Who has tried wrong ones waits.
func (s *Server) try(r *http.Request, text string) (Token, error) {
	attempt := s.logins.wrong.Attempt(from(r), "")
	defer attempt.Leave()
	if err := attempt.Wait(r.Context()); err != nil {
		return Token{}, err
	}
	if attempt.Banned() {
		return Token{}, refusal{http.StatusTooManyRequests,
			errors.New("too many wrong tokens came from your address; try again in some minutes, or use the server's admin socket")}
	}
	t, ok := s.config.Tokens().find(text)
	if !ok {
		attempt.Failed()
		s.config.Logger.Warn("a wrong token for administrators", "client", r.RemoteAddr, "request", r.Method+" "+r.URL.EscapedPath())
		return Token{}, refusal{http.StatusUnauthorized, errors.New("the token is none of the file of --admin-tokens")}
	}
	attempt.Succeeded()
	return t, nil
}

// visitor returns the token of a cookie's visit, unless that is over or the token is gone.
func (s *Server) visitor(cookie string) (Token, bool) {
	l := &s.logins
	l.mu.Lock()
	v, ok := l.visits[sha256.Sum256([]byte(cookie))]
	l.mu.Unlock()
	if ok && time.Now().Before(v.until) {
		for _, t := range s.config.Tokens() {
			if t.Hash == v.token {
				return t, true
			}
		}
	}
	return Token{}, false
}

// begin begins a visit, and returns its cookie. Where there are too many, the oldest one ends.
func (l *logins) begin(t Token, now time.Time) (cookie string) {
	cookie = rand.Text()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.visits) >= mostVisits {
		var oldest [sha256.Size]byte
		for key, v := range l.visits {
			if first, ok := l.visits[oldest]; !ok || v.until.Before(first.until) {
				oldest = key
			}
		}
		delete(l.visits, oldest)
	}
	l.visits[sha256.Sum256([]byte(cookie))] = visit{t.Hash, now.Add(visitTime)}
	return cookie
}

func (l *logins) end(cookie string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.visits, sha256.Sum256([]byte(cookie)))
}

// askToken answers GET /login.
func (s *Server) askToken(w http.ResponseWriter, r *http.Request) {
	render(w, http.StatusOK, "login", nil)
}

// logIn answers POST /login, the form of [Server.askToken].
func (s *Server) logIn(w http.ResponseWriter, r *http.Request) {
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(formTime)) // a stranger's
	t, err := s.try(r, r.PostFormValue("token"))
	if err != nil {
		render(w, statusOf(err), "login", err)
		return
	}
	s.config.Logger.Info("an administrator logged in", "by", t.Name, "client", r.RemoteAddr)
	setCookie(w, s.logins.begin(t, time.Now()), visitTime)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// logOut answers POST /logout.
func (s *Server) logOut(w http.ResponseWriter, r *http.Request) {
	s.logins.end(callerOf(r).visit)
	setCookie(w, "", -time.Second)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

func setCookie(w http.ResponseWriter, value string, lasts time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: int(lasts.Seconds()),
		HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode,
	})
}
