package host

import (
	"crypto/tls"
	"maps"
	"sync"
)

// Counts are what the server has counted since [New], and what there is at this moment. What
// its events tell is not among them, as an [Observer] can count those. Fields that say "since
// New" never fall.
type Counts struct {
	// Commands are those that were answered since New, each once, by its last reply.
	Commands map[Command]uint64

	// Handshakes are those of TLS since New that the server made itself.
	Handshakes map[Handshake]uint64

	// Sessions are those that are open, by state. Each Doing has an entry in the clear,
	// which may be 0.
	Sessions map[SessionState]int

	Passive uint64 // data connections since New that clients made
	Active  uint64 // data connections since New that the server made

	// Sent and Received are bytes of files that crossed data connections since New, also in
	// transfers under way; listings, hashes and copies are not among them.
	Sent, Received uint64

	// Banned are connections since New that got 421 because their address is banned, of which
	// no event tells.
	Banned uint64

	Turned       int   // refused connections that are open until their clients have read the reply
	Uploads      int   // that are open
	PassivePorts int   // of Passive.FirstPort to LastPort that are in use
	SmallBytes   int64 // bytes of small files in memory that wait for a data connection or a disk

	// Load of what Limits bound: open files and directories, questions about files, logins (all
	// three by Limits.Threads), and work by Limits.Processors.
	OpenFiles, Questions, Logins, Processors Load

	Instances int    // that run
	Memory    int64  // bytes of linear memory that they have
	Started   uint64 // instances since New
	Failed    uint64 // instances since New that trapped, hung or did not start
	Steps     uint64 // calls since New into instances
	Fuel      uint64 // that steps have burnt since New: some one for each instruction

	Queued         int    // events and log records that wait for the Observer and the Logger
	DroppedEvents  uint64 // since New; see [Dropped]
	DroppedRecords uint64 // log records since New that were dropped, or that the Logger failed to write
}

// Command is a kind of answered command.
type Command struct {
	// Verb is one of the verbs that the engine can know, in capitals, or "other". Commands of
	// SITE are all SITE.
	Verb string

	// Code is that of the reply, 200 to 599: a preliminary reply (1yz) is not a command's last.
	// The host has read it on its way from the engine to the client.
	Code int
}

// Handshake is a kind of TLS handshake.
type Handshake struct {
	Data    bool   // of a data connection; else of a control connection
	Version uint16 // as in [tls.ConnectionState]; 0 of a handshake that failed
	Resumed bool   // a TLS session was resumed, as data connections should
}

// SessionState is what sessions are told apart by.
type SessionState struct {
	LoggedIn   bool
	Doing      string // as Session.Doing; "" unless logged in
	TLSVersion uint16 // of the control connection, as in [tls.ConnectionState]; 0 in the clear
}

// Load is how many have a place among a limited number, and how many wait for one.
type Load struct{ Busy, Waiting int }

// Counts returns what the server has counted. It takes some microseconds, and one for each few
// sessions. Only its own calls wait for each other.
func (s *Server) Counts() Counts {
	c := s.counter.sum()
	s.countSessions(&c)
	c.Turned = len(s.turned)
	c.Uploads = s.uploads.count()
	c.PassivePorts = s.ports.taken()
	c.SmallBytes = s.smallBytes.Load()
	c.OpenFiles = loadOf(s.threads.open.Load())
	c.Questions = loadOf(s.threads.questions.Load())
	c.Logins = loadOf(s.threads.logins.Load())
	c.Processors = loadOf(s.processors.Load())
	s.queue.count(&c)
	return c
}

func loadOf(busy, waiting int) Load { return Load{busy, waiting} }

func (s *Server) countSessions(c *Counts) {
	c.Sessions = map[SessionState]int{{}: 0}
	for _, doing := range doingNames {
		c.Sessions[SessionState{LoggedIn: true, Doing: doing}] = 0
	}
	for _, open := range s.present.all() {
		state := SessionState{LoggedIn: open.login.Load() != nil}
		if does := open.doing.Load(); does != nil && state.LoggedIn {
			state.Doing = doingNames[does.doing]
		}
		state.TLSVersion, _ = open.cipher()
		c.Sessions[state]++
	}
}

// counter counts for a server. What happens with each command is counted by each shard's
// tally, so that shards do not wait for each other.
type counter struct {
	mu     sync.Mutex
	shards map[*tally]struct{}
	moving map[*transfer]struct{} // transfers under way
	past   Counts                 // of shards that have ended, and what no shard counts
}

// tally is what a shard counts. The fields of now that it uses are those of add.
type tally struct {
	mu       sync.Mutex
	commands map[uint32]uint64 // by verb << 16 | code
	now      Counts
}

// lock locks mu.
func (c *counter) lock() {
	if c.mu.Lock(); c.shards == nil {
		c.shards, c.moving = map[*tally]struct{}{}, map[*transfer]struct{}{}
		c.past = Counts{Commands: map[Command]uint64{}, Handshakes: map[Handshake]uint64{}}
	}
}

// add adds what shards count.
func (c *Counts) add(t *tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for command, n := range t.commands {
		c.Commands[Command{verbs[command>>16], int(command & 0xffff)}] += n
	}
	c.Passive += t.now.Passive
	c.Active += t.now.Active
	c.Instances += t.now.Instances
	c.Memory += t.now.Memory
	c.Started += t.now.Started
	c.Failed += t.now.Failed
	c.Steps += t.now.Steps
	c.Fuel += t.now.Fuel
}

// sum is what all have counted.
func (c *counter) sum() Counts {
	c.lock()
	defer c.mu.Unlock()
	all := c.past
	all.Commands, all.Handshakes = maps.Clone(all.Commands), maps.Clone(all.Handshakes)
	for t := range c.shards {
		all.add(t)
	}
	for t := range c.moving {
		t.count(&all)
	}
	return all
}

// begin makes the tally of a shard.
func (c *counter) begin() *tally {
	t := &tally{commands: map[uint32]uint64{}}
	c.lock()
	defer c.mu.Unlock()
	c.shards[t] = struct{}{}
	return t
}

// end takes over what a shard has counted, which counts nothing any more.
func (c *counter) end(t *tally) {
	c.lock()
	defer c.mu.Unlock()
	c.past.add(t)
	delete(c.shards, t)
}

// shook counts a handshake.
func (c *counter) shook(data bool, state tls.ConnectionState) {
	c.lock()
	defer c.mu.Unlock()
	c.past.Handshakes[Handshake{data, state.Version, state.DidResume}]++
}

// banned counts a connection that a ban has shut out.
func (c *counter) banned() {
	c.lock()
	defer c.mu.Unlock()
	c.past.Banned++
}

// moves counts the bytes of a transfer from now on.
func (c *counter) moves(t *transfer) {
	c.lock()
	defer c.mu.Unlock()
	c.moving[t] = struct{}{}
}

// moved counts the bytes of a transfer that has ended. It does nothing for other transfers
// than those of moves.
func (c *counter) moved(t *transfer) {
	c.lock()
	defer c.mu.Unlock()
	if _, counts := c.moving[t]; counts {
		t.count(&c.past)
		delete(c.moving, t)
	}
}

// count adds the bytes that have crossed the data connection.
func (t *transfer) count(c *Counts) {
	if n := uint64(t.bytes.Load()); t.file.upload != nil {
		c.Received += n
	} else {
		c.Sent += n
	}
}

// answered counts a command by the code of its last reply.
func (t *tally) answered(of verb, code int) {
	t.mu.Lock()
	t.commands[uint32(of)<<16|uint32(code)]++
	t.mu.Unlock()
}

// stepped counts a step, and what memory the instance has behind it.
func (t *tally) stepped(fuel, memory int64) {
	t.mu.Lock()
	t.now.Steps++
	t.now.Fuel += uint64(fuel)
	t.now.Memory = memory
	t.mu.Unlock()
}

func (t *tally) started(memory int64) {
	t.mu.Lock()
	t.now.Started++
	t.now.Instances, t.now.Memory = 1, memory
	t.mu.Unlock()
}

func (t *tally) closed() {
	t.mu.Lock()
	t.now.Instances, t.now.Memory = 0, 0
	t.mu.Unlock()
}

func (t *tally) failed() {
	t.mu.Lock()
	t.now.Failed++
	t.mu.Unlock()
}

// connected counts a data connection.
func (t *tally) connected(active bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if active {
		t.now.Active++
	} else {
		t.now.Passive++
	}
}
