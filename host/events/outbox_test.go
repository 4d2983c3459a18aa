package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"wasiftp/host"
	"wasiftp/host/events"
)

func open(t *testing.T, dir string) *events.FolderSpool {
	t.Helper()
	spool, err := events.OpenSpool(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	return spool
}

// The CloudEvents SDK reads what we write, whatever the names.
func TestEventIsACloudEvent(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/a", "/new\nline \"quoted\" ü", "/no \xff utf-8", "/?#%&"} {
		e := host.Event{
			Kind: host.Renamed, Time: time.Now(), Session: 7, User: "u\xfe", Path: path, To: "/b", Folder: "/srv", TLSVersion: 0x304,
			Client: netip.MustParseAddrPort("192.0.2.1:4711"), Err: errors.New("no"),
		}
		b := events.Encode("id", "/wasiftpd/x", events.Word(e.Kind), e.Time, events.Of(e))
		var read cloudevents.Event
		if err := json.Unmarshal(b, &read); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		if err := read.Validate(); err != nil || read.Type() != "wasiftp.rename" || read.ID() != "id" || !read.Time().Equal(e.Time) {
			t.Errorf("%v: %s", err, b)
		}
		var d events.Data
		if err := json.Unmarshal(read.Data(), &d); err != nil {
			t.Fatal(err)
		}
		if d.PathBytes != nil {
			d.Path, d.File = string(d.PathBytes), string(d.FileBytes)
		}
		if d.Path != path || d.File != "/srv"+path || string(d.UserBytes) != e.User || d.ToFile != "/srv/b" || d.TLS != "TLS 1.3" ||
			d.Session != 7 || d.Client != "192.0.2.1:4711" || d.Error != "no" || d.Bytes != nil {
			t.Errorf("%+v", d)
		}
	}
	if n := len(events.Words()); n != 20 {
		t.Errorf("there are %d words", n)
	}
}

func TestSpoolThatIsNotThere(t *testing.T) {
	t.Parallel()
	if _, err := events.OpenKept(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := events.OpenSpool(filepath.Join(t.TempDir(), "missing"), false); err == nil {
		t.Error("a folder that is not there has a spool")
	}
}

// A lane is one host's, until its event is done or the host gives it back.
func TestSpoolLanes(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	a, b := open(t, dir), open(t, dir)
	defer b.Close()
	put := func(user, id string) {
		t.Helper()
		if err := a.Put(ctx, []events.Entry{{Hook: "h", User: user, ID: id, Event: []byte("{}")}}); err != nil {
			t.Fatal(err)
		}
	}
	take := func(s events.Spool, want ...string) (taken []events.Taken) {
		t.Helper()
		taken, _, err := s.Take(ctx, "h", 10)
		var ids []string
		for _, one := range taken {
			ids = append(ids, one.ID)
		}
		if err != nil || fmt.Sprint(ids) != fmt.Sprint(want) {
			t.Fatalf("%v were taken, not %v, %v", ids, want, err)
		}
		return taken
	}
	put("u", "1")
	put("u", "2")
	first := take(a, "1")
	take(a)
	take(b)
	put("v\xff", "3")
	if other := take(b, "3"); other[0].User != "v\xff" || a.Done(ctx, first[0]) != nil || b.Done(ctx, other[0]) != nil {
		t.Error(other)
	}
	second := take(b, "2")
	if err := b.Fail(ctx, second[0], time.Now().Add(time.Hour), "why"); err != nil {
		t.Error(err)
	}
	take(a)
	kept, err := a.Backlogs(ctx)
	if err != nil || len(kept) != 1 || kept[0].Events != 1 || kept[0].Error != "why" || kept[0].Failed != 1 {
		t.Errorf("%+v, %v", kept, err)
	}
	if err := a.Hurry(ctx, "h"); err != nil {
		t.Error(err)
	}
	if again := take(a, "2"); again[0].Tries != 1 {
		t.Errorf("%+v", again)
	}
	if err := a.Close(); err != nil { // gives it back
		t.Error(err)
	}
	take(b, "2")
	if n, err := b.Drop(ctx, "h"); n != 1 || err != nil {
		t.Error(n, err)
	}
	take(b)
}

// counting is a spool that counts what is taken at a time.
type counting struct {
	*events.FolderSpool
	now, most, puts atomic.Int64
}

func (c *counting) Put(ctx context.Context, entries []events.Entry) error {
	c.puts.Add(1)
	return c.FolderSpool.Put(ctx, entries)
}

func (c *counting) Take(ctx context.Context, hook string, most int) ([]events.Taken, time.Time, error) {
	taken, next, err := c.FolderSpool.Take(ctx, hook, most)
	now := c.now.Add(int64(len(taken)))
	for {
		seen := c.most.Load()
		if now <= seen || c.most.CompareAndSwap(seen, now) {
			return taken, next, err
		}
	}
}

func (c *counting) Done(ctx context.Context, t events.Taken) error {
	c.now.Add(-1)
	return c.FolderSpool.Done(ctx, t)
}

func (c *counting) Fail(ctx context.Context, t events.Taken, again time.Time, why string) error {
	c.now.Add(-1)
	return c.FolderSpool.Fail(ctx, t, again, why)
}

// However many events wait, no more are in memory than are told at a time. Events of many
// sessions share transactions.
func TestOutboxMemory(t *testing.T) {
	t.Parallel()
	spool := &counting{FolderSpool: open(t, t.TempDir())}
	const users, each = 20, 20
	var up atomic.Bool
	var mu sync.Mutex
	told, done := map[string][]string{}, make(chan struct{})
	left := users * each
	o := events.NewOutbox(events.Config{Spool: spool, Source: "/x", Hooks: []events.Hook{{
		Name: "h", Parallel: 3, Wants: func(e host.Event) bool { return e.Kind == host.Uploaded },
		Tell: func(_ context.Context, _ string, event []byte) error {
			if !up.Load() {
				return errors.New("down")
			}
			var e struct{ Data events.Data }
			if err := json.Unmarshal(event, &e); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			told[e.Data.User] = append(told[e.Data.User], e.Data.Path)
			if left--; left == 0 {
				close(done)
			}
			return nil
		},
	}}})
	var sessions sync.WaitGroup
	for user := range users {
		sessions.Go(func() {
			for i := range each {
				o.Observe(host.Event{Kind: host.Uploaded, Time: time.Now(), User: fmt.Sprint(user), Path: fmt.Sprint("/", i)})
				o.Observe(host.Event{Kind: host.Listed, Time: time.Now(), User: fmt.Sprint(user)})
			}
		})
	}
	sessions.Wait()
	var heap runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&heap)
	t.Logf("%d bytes of heap, %d transactions for %d events", heap.HeapAlloc, spool.puts.Load(), users*each)
	up.Store(true)
	if err := spool.Hurry(t.Context(), "h"); err != nil {
		t.Error(err)
	}
	<-done
	if err := o.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for user, paths := range told {
		for i, path := range paths {
			if path != fmt.Sprint("/", i) {
				t.Fatalf("user %s: event %d is of %s", user, i, path)
			}
		}
	}
	if most, puts := spool.most.Load(), spool.puts.Load(); most > 3 || puts >= users*each {
		t.Errorf("%d were taken at a time, by %d transactions", most, puts)
	}
}

// Two hosts share a spool, and tell nothing twice. A call that is under way at the end is
// broken off, and its event is told by the other.
func TestOutboxOfTwoHosts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const count = 100
	var mu sync.Mutex
	told, all := map[string]int{}, make(chan struct{})
	hook := func(tell func(ctx context.Context) error) []events.Hook {
		return []events.Hook{{Name: "h", Wants: func(host.Event) bool { return true },
			Tell: func(ctx context.Context, id string, _ []byte) error {
				if err := tell(ctx); err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				if told[id]++; len(told) == count {
					close(all)
				}
				return nil
			}}}
	}
	hangs := make(chan struct{}, 1)
	a := events.NewOutbox(events.Config{Spool: open(t, dir), Source: "/a", Hooks: hook(func(ctx context.Context) error {
		hangs <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})})
	a.Observe(host.Event{Kind: host.Uploaded, Time: time.Now(), User: "u"})
	<-hangs
	b := events.NewOutbox(events.Config{Spool: open(t, dir), Source: "/b", Hooks: hook(func(context.Context) error { return nil })})
	for range count - 1 {
		b.Observe(host.Event{Kind: host.Uploaded, Time: time.Now(), User: "v"})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Close(ended); err != nil {
		t.Error(err)
	}
	<-all
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for id, n := range told {
		if n != 1 {
			t.Errorf("%s was told %d times", id, n)
		}
	}
	a.SetHooks(nil) // after the end it does nothing
}

// broken is a spool whose disk is full at first.
type broken struct {
	*events.FolderSpool
	tries atomic.Int64
}

func (b *broken) Put(ctx context.Context, entries []events.Entry) error {
	if b.tries.Add(1) == 1 {
		return errors.New("the disk is full")
	}
	return b.FolderSpool.Put(ctx, entries)
}

// An event that the spool does not take at once is not lost.
func TestOutboxWithAFullDisk(t *testing.T) {
	t.Parallel()
	spool, got := &broken{FolderSpool: open(t, t.TempDir())}, make(chan string, 1)
	o := events.NewOutbox(events.Config{Spool: spool, Source: "/x", Hooks: []events.Hook{{
		Name: "h", Wants: func(host.Event) bool { return true },
		Tell: func(_ context.Context, id string, _ []byte) error { got <- id; return nil },
	}}})
	o.Observe(host.Event{Kind: host.Uploaded, Time: time.Now(), User: "u"})
	if <-got == "" || spool.tries.Load() != 2 {
		t.Errorf("%d tries", spool.tries.Load())
	}
	if err := o.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
