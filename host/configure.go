package host

import (
	"bytes"
	"errors"
	"slices"
)

// setup is a configuration in force, and what was made of it. It is never changed:
// [Server.SetConfig] makes another. A session keeps the one that it began with.
type setup struct {
	Config
	briefing *briefing
	meters   meters // of Limits.Rates
}

// briefing is what the engine is told of a configuration. An instance is told once.
type briefing struct {
	record []byte // see wasi.Config

	// greeting is the 220 reply that the host sends before the session has an instance;
	// the instance is made when the client answers. nil: the engine sends the reply.
	greeting []byte
}

// current is the configuration for new sessions.
func (s *Server) current() *setup { return s.setup.Load() }

var errImplicit = errors.New("TLS.Config is nil, which ServeTLS needs as long as it is serving")

// SetConfig has the server go on with another configuration. New sessions have it; those
// that are there keep the one that they began with, as do their transfers. At once, and for
// all, count:
//
//   - Limits.Sessions, SessionsPerAddress and Strangers. Nobody is sent away if there are
//     more already.
//   - Limits.Rates, for transfers under way if they have had such a limit.
//   - Bans, as by [bans.Book.SetPolicy].
//   - Proxies.
//
// These stay as they were given to [New], whatever config says: Observer, SyncObserver,
// Logger, Module, Instances, SessionsPerInstance, CacheDir, and of Limits MemoryPerInstance,
// Processors, ProcessorsPerAccount and Threads.
//
// If the engine has to be told of the change, new sessions get new instances, and an old one
// ends with its last session. The error has all faults of config, and then nothing has
// changed.
func (s *Server) SetConfig(config Config) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	old := s.current()
	config.keep(&old.Config)
	config, err := config.checked()
	if err != nil {
		return err
	}
	next := &setup{Config: config, briefing: &briefing{record: engineConfig(&config)}}
	if bytes.Equal(next.briefing.record, old.briefing.record) {
		next.briefing = old.briefing
	} else if config.SessionsPerInstance > 0 {
		if next.briefing.greeting, err = s.rehearse(next); err != nil {
			return err
		}
	}
	if err := s.begin(next, old); err != nil {
		return err
	}
	return s.bans.SetPolicy(config.Bans)
}

// keep takes over from old what stays for the life of the server.
func (c *Config) keep(old *Config) {
	c.Observer, c.SyncObserver, c.Logger, c.Module, c.CacheDir = old.Observer, old.SyncObserver, old.Logger, old.Module, old.CacheDir
	c.Instances, c.SessionsPerInstance = old.Instances, old.SessionsPerInstance
	l, was := &c.Limits, &old.Limits
	l.MemoryPerInstance, l.Threads = was.MemoryPerInstance, was.Threads
	l.Processors, l.ProcessorsPerAccount = was.Processors, was.ProcessorsPerAccount
}

// begin puts next in force, and ends the instances without sessions that know only old.
func (s *Server) begin(next, old *setup) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, implicit := range s.listeners {
		if implicit && next.TLS.Config == nil {
			return errImplicit
		}
	}
	next.meters = newMeters(old.meters, next.Limits.Rates)
	s.setup.Store(next)
	for _, sh := range slices.Clone(s.shards) {
		s.retire(sh)
	}
	return nil
}

// retire ends a shard without sessions if no other session is to have its instance. Callers
// hold s.mu.
func (s *Server) retire(sh *shard) {
	now := s.current()
	if sh.reserved == 0 && (now.SessionsPerInstance > 0 || sh.briefing != now.briefing) {
		s.shards = slices.DeleteFunc(s.shards, func(other *shard) bool { return other == sh })
		sh.do(func() { sh.stop("") })
	}
}
