package host

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"wasiftp/wasi"
)

// Whose code it is, in the log. All of it is the embedder's: it may panic, and it
// may take its time. Each call into it goes through guard, on a goroutine that only
// the session at hand waits for.
const (
	observerCode      = "Observer"
	loggerCode        = "Logger"
	authenticatorCode = "Authenticator"
	accountCode       = "Account.Close"
	filesCode         = "FS"
	tlsCode           = "TLS.Config"
	listenerCode      = "net.Listener"
	connCode          = "net.Conn"
	revokeCode        = "the function given to Revoke"
)

// panicked is the error of a call that has panicked.
type panicked struct{ value any }

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// guard calls an embedder's code, in the name of a session or of nobody (nil). A
// panic goes into the log, with its stack, and becomes the call's error. Of a logger
// that panics nobody can be told.
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
		s.config.Logger.Error("panic in the embedder's code", about...)
	}()
	return call()
}

func (s *session) guard(whose string, call func() error) error { return s.server.guard(whose, s, call) }

// guarded answers a question.
func (s *session) guarded(ctx context.Context, work func(context.Context) answer) (a answer) {
	if err := s.guard(filesCode, func() error { a = work(ctx); return nil }); err != nil {
		return answer{errno: wasi.EIO}
	}
	return a
}

// waited waits for others, but no longer than a time, and says whether they are
// done.
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
