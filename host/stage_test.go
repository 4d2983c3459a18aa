package host

import (
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"wasiftp/host/internal/wasm"
	"wasiftp/host/wasmtest"
	"wasiftp/wasi"
)

// newStill is a shard without a goroutine: the test does that one's work, by turn.
func newStill(t *testing.T, config Config) *shard {
	t.Helper()
	config.Module = []byte{}
	config, err := config.checked()
	if err != nil {
		t.Fatal(err)
	}
	server := &Server{logger: config.Logger, began: time.Now(), seats: newSeats(), perAccount: map[string]int{},
		logins: map[*login]struct{}{}}
	server.setup.Store(&setup{Config: config, briefing: &briefing{}})
	server.threads.share(16)
	return newShard(server)
}

// seat is the seat of a session of the shard.
func (sh *shard) seat() *seat {
	return &seat{server: sh.server, shard: sh, config: sh.server.current(), open: 1}
}

// turn runs the duties that are due on the shard's goroutine, and returns the events for the
// guest.
func (sh *shard) turn() []wasi.Event {
	sh.mu.Lock()
	duties, _ := sh.duties, sh.queue
	sh.duties = nil
	sh.mu.Unlock()
	for _, duty := range duties {
		duty()
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	events := sh.queue
	sh.queue = nil
	return events
}

// over ends a shard, as stop does.
func (sh *shard) over() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.ended = true
}

// record is a log that can be read while it is written.
type record struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *record) logger() *slog.Logger { return slog.New(slog.NewTextHandler(r, nil)) }

// watchedFile counts how often it was closed.
type watchedFile struct {
	fs.File
	closed int
}

func (f *watchedFile) Close() error {
	f.closed++
	return nil
}

// handmade is the program of an engine that runs only the instructions of step.
func handmade(t *testing.T, step []byte) *wasm.Program {
	t.Helper()
	return handmadeWithin(t, minMemory, step)
}

// handmadeWithin is handmade with a limit of memory, in bytes.
func handmadeWithin(t *testing.T, memory int64, step []byte) *wasm.Program {
	t.Helper()
	p, err := wasm.Compile(wasmtest.Engine(step).Encode(), wasm.Options{Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// hold takes a thread for a file, as a session does that opens it.
func hold(f *openFile) *openFile {
	f.session.server.threads.open.Try(f.user)
	return f
}
