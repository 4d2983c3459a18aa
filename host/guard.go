package host

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// Names of the embedder's code, for the log. That code may panic or hang. Each call of it
// goes through guard, on a goroutine that at most one session waits for.
const (
	observerCode      = "Observer"
	loggerCode        = "Logger"
	authenticatorCode = "Authenticator"
	accountCode       = "Account.Close"
	filesCode         = "FS"
	tlsCode           = "TLS.Config"
	listenDataCode    = "Config.ListenData"
	dialDataCode      = "Config.DialData"
	publicCode        = "Passive.PublicAddressFor"
	listenerCode      = "net.Listener"
	connCode          = "net.Conn"
	revokeCode        = "the function given to Revoke"
	hookCode          = "Hooks"
)

// panicked is the error of a call that has panicked.
type panicked struct{ value any }

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// guard calls code of the embedder, for a session or outside of any (nil). A panic is
// logged with its stack, unless it is the logger's own, and becomes the call's error.
func (s *Server) guard(whose string, of *session, call func() error) (err error) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		err = &panicked{value}
		if whose == loggerCode {
			return
		}
		about := []any{"code", whose, "panic", fmt.Sprint(value), "stack", string(debug.Stack())}
		if of != nil {
			about = append([]any{"session", of.id, "client", of.client}, about...)
		}
		s.logger.Error("panic in the embedder's code", about...)
	}()
	return call()
}

func (s *session) guard(whose string, call func() error) error { return s.server.guard(whose, s, call) }

// waited waits for others, but no longer than within, and reports whether they are done.
func waited(others *sync.WaitGroup, within time.Duration) bool {
	done := make(chan struct{})
	go func() {
		others.Wait()
		close(done)
	}()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
