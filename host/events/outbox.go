package events

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"wasiftp/host"
)

// Hook is told of events.
type Hook struct {
	// Name is what the spool knows the hook by. Events that are kept for a name are delivered
	// to the hook that has it, also after a restart.
	Name string

	Wants func(host.Event) bool // says which events it is told of; nil is none, and what is kept is delivered

	// Tell tells the hook of an event, as [Encode] writes it, until ctx ends. After an error
	// it is told again.
	Tell func(ctx context.Context, id string, event []byte) error

	Timeout  time.Duration // of one call of Tell; 0 is 30 seconds
	Parallel int           // calls at a time; 0 is 4
}

// Config is the configuration of an [Outbox].
type Config struct {
	Spool  Spool        // which must not be nil; the outbox closes it
	Source string       // names the server in events: a URI reference, which must not be ""
	Logger *slog.Logger // gets faults; nil discards them
	Hooks  []Hook
}

// Outbox keeps events for hooks, and delivers them.
//
// The events of one user go to a hook one after the other. One that fails is tried again, for
// ever, after a second at first and ten minutes at most; those behind it wait. An event may be
// told twice, with the same id, when a host dies or the spool fails just as it was told.
type Outbox struct {
	config Config
	mu     sync.Mutex // for hooks to be replaced, and the end
	hooks  atomic.Pointer[[]*line]
	counts map[string]*deliveries // by the name of the hook
	writer writer

	stopping context.Context // ends when no more is taken
	stop     context.CancelFunc
	ending   context.Context // ends when what is under way is given up
	end      context.CancelFunc
	work     sync.WaitGroup // lines and deliveries
	leases   sync.WaitGroup
}

// NewOutbox starts to deliver what the spool keeps.
func NewOutbox(config Config) *Outbox {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	o := &Outbox{config: config, counts: map[string]*deliveries{}}
	o.stopping, o.stop = context.WithCancel(context.Background())
	o.ending, o.end = context.WithCancel(context.Background())
	o.writer = writer{spool: config.Spool, logger: config.Logger, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go o.writer.run()
	o.SetHooks(config.Hooks)
	o.leases.Go(o.renew)
	return o
}

// SetHooks replaces the hooks. Calls of the old ones that are under way go on. What is kept for
// a name that no hook has stays.
func (o *Outbox) SetHooks(hooks []Hook) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopping.Err() != nil {
		return
	}
	lines := make([]*line, len(hooks))
	for i, h := range hooks {
		if o.counts[h.Name] == nil {
			o.counts[h.Name] = new(deliveries)
		}
		lines[i] = newLine(o, h)
	}
	if old := o.hooks.Swap(&lines); old != nil {
		for _, l := range *old {
			l.stop()
		}
	}
	for _, l := range lines {
		o.work.Go(l.run)
	}
}

const (
	// fileWait bounds how long the reply to a change of a file waits for the spool.
	fileWait = 10 * time.Second

	// otherWait is the same for all other events. Some of them hold up more than one session.
	otherWait = 100 * time.Millisecond
)

// Observe implements [host.Observer]. It returns when the event is in the spool. If that takes
// too long, it goes on without: the event stays in memory until the spool takes it.
func (o *Outbox) Observe(e host.Event) {
	var entries []Entry
	for _, l := range *o.hooks.Load() {
		if l.Wants != nil && l.Wants(e) {
			entries = append(entries, Entry{Hook: l.Name, User: e.User})
		}
	}
	if len(entries) == 0 {
		return
	}
	id := rand.Text()
	body := Encode(id, o.config.Source, Word(e.Kind), e.Time, Of(e))
	for i := range entries {
		entries[i].ID, entries[i].Event = id, body
	}
	within := otherWait
	switch e.Kind {
	case host.Uploaded, host.Copied, host.Made, host.Deleted, host.Renamed, host.Linked, host.Changed:
		within = fileWait
	}
	if o.writer.put(entries, within) {
		for _, l := range *o.hooks.Load() {
			l.hurry()
		}
	}
}

// Deliveries are what a hook was told.
type Deliveries struct {
	Hook    string // its name
	Made    uint64 // since NewOutbox
	Failed  uint64 // since NewOutbox; each is tried again
	Failing bool   // one has failed, and none that is tried again was made since
}

// Deliveries returns those of each hook.
func (o *Outbox) Deliveries() (all []Deliveries) {
	for _, l := range *o.hooks.Load() {
		l.mu.Lock()
		all = append(all, Deliveries{l.Name, l.count.made.Load(), l.count.failed.Load(), l.failing})
		l.mu.Unlock()
	}
	return all
}

// renew renews the leases until the outbox is closed.
func (o *Outbox) renew() {
	ticker := time.NewTicker(RenewTime)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-o.ending.Done():
			return
		case <-ticker.C:
		}
		err := o.config.Spool.Renew(o.ending)
		if err != nil && !failing && o.ending.Err() == nil {
			o.config.Logger.Error("deliveries may be made twice", "err", err)
		}
		failing = err != nil
	}
}

// Close writes down what has not been, waits until ctx ends for deliveries that are under way,
// and gives them up then: they wait for the next start. It closes the spool.
func (o *Outbox) Close(ctx context.Context) error {
	o.mu.Lock()
	o.stop()
	o.mu.Unlock()
	o.writer.close()
	defer context.AfterFunc(ctx, o.end)()
	o.work.Wait()
	o.end()
	o.leases.Wait()
	return o.config.Spool.Close()
}
