package host

import (
	"context"
	"net"
)

// Server is an FTP server.
type Server struct{}

// New checks the configuration and compiles the engine.
func New(config Config) (*Server, error) { return nil, nil }

// Serve accepts control connections on l until Shutdown or Close, and then
// returns [ErrServerClosed]. It may be called for many listeners.
func (s *Server) Serve(l net.Listener) error { return nil }

// Shutdown stops listening, ends idle sessions with 421 and lets running
// transfers finish, until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error { return nil }

// Close ends everything at once.
func (s *Server) Close() error { return nil }

// ModuleInfo is what the server found out about its engine.
type ModuleInfo struct {
	SHA256     string // of the module's bytes, in hexadecimal
	ABIVersion int
	Size       int // in bytes
}

// Module is the engine built into this package: a WebAssembly module.
func Module() []byte { return nil }

// Inspect describes a module without starting it, and returns a one-sentence
// error when it is none that this package can run.
func Inspect(module []byte) (ModuleInfo, error) { return ModuleInfo{}, nil }
