package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"wasiftp/host/events"
)

// toldEvent is an event as a hook gets it.
type toldEvent struct {
	ID, Type, Subject string
	Data              events.Data
}

// inbox is a URL that is told of events. While it is down it answers 503.
type inbox struct {
	*httptest.Server
	mu    sync.Mutex
	more  *sync.Cond
	down  bool
	tries map[string]int // by id
	got   []toldEvent
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{tries: map[string]int{}}
	in.more = sync.NewCond(&in.mu)
	in.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e toldEvent
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || r.Header.Get("Content-Type") != events.ContentType {
			t.Errorf("%v: %v", r.Header, err)
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		defer in.more.Broadcast()
		if in.tries[e.ID]++; in.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		in.got = append(in.got, e)
	}))
	t.Cleanup(in.Close)
	return in
}

// until waits for n events, and returns them.
func (in *inbox) until(n int) []toldEvent {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.got) < n {
		in.more.Wait()
	}
	return in.got
}

// tried waits until so many events were tried.
func (in *inbox) tried(n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.tries) < n {
		in.more.Wait()
	}
}

func (in *inbox) set(down bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.down = down
}

// store uploads a file by STOR or another verb.
func (d dialogue) store(addr, line, content string, code int) string {
	d.t.Helper()
	data := d.data(addr)
	d.do(150, line)
	io.WriteString(data, content)
	data.Close()
	return d.expect(code)
}

// While a URL is down its events are kept; when it works again all come, in order for each
// user, with the ids that they had. The operator sees them meanwhile.
func TestHookIsToldInOrder(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	in.set(true)
	root, state := t.TempDir(), t.TempDir()
	s := hooked(t, root, state, `[[hook]]
name = "in"
on = ["upload", "delete", "rename", "mkdir"]
url = "`+in.URL+`"
`, "--user=v:p:rw")
	const files = 100 // of each of two users
	for _, user := range []string{"u", "v"} {
		d := s.dial()
		d.login(user, "p")
		for i := range files {
			d.store(s.addr, fmt.Sprintf("STOR %s%d", user, i), "content", 226)
		}
	}
	in.tried(2) // the first one of each user
	if log := s.log.until("a hook fails"); !strings.Contains(log, "status 503") {
		t.Errorf("the log is\n%s", log)
	}
	code, out, stderr := run(t, nil, "hooks", "--state-dir", state)
	if code != 0 || !strings.HasPrefix(out, "in  200 events  2 users  since 20") || !strings.Contains(out, "status 503") {
		t.Errorf("%d %s %s", code, out, stderr)
	}
	in.set(false)
	if _, stderr = exits(t, 2, nil, "hooks", "retry", "zzz", "--state-dir", state); !strings.HasSuffix(stderr, ": in\n") {
		t.Errorf("a hook without events: %s", stderr)
	}
	if out, _ := exits(t, 0, nil, "hooks", "retry", "in", "--state-dir", state); !strings.Contains(out, "within five seconds") {
		t.Error(out)
	}
	next := map[string]int{}
	for _, e := range in.until(2 * files) {
		user := e.Data.User
		want := fmt.Sprintf("/%s%d", user, next[user])
		if e.Data.Path != want || e.Type != "wasiftp.upload" || e.Data.File != root+want || *e.Data.Bytes != 7 || e.Data.Session == 0 {
			t.Errorf("%+v came for %s", e, want)
		}
		next[user]++
	}
	in.mu.Lock()
	tries := len(in.tries)
	in.mu.Unlock()
	if tries != 2*files {
		t.Errorf("there were %d ids", tries)
	}
	s.log.until("the hook works again")
	d := s.dial()
	d.login("u", "p")
	d.do(257, "MKD new")
	d.do(350, "RNFR new")
	d.do(250, "RNTO old")
	d.do(250, "RMD old")
	var words []string
	for _, e := range in.until(2*files + 3)[2*files:] {
		words = append(words, e.Type+" "+e.Data.Path+e.Data.To)
	}
	if got := strings.Join(words, ", "); got != "wasiftp.mkdir /new, wasiftp.rename /new/old, wasiftp.delete /old" {
		t.Error(got)
	}
	if log := s.log.String(); strings.Count(log, "a hook fails") != 1 {
		t.Errorf("the log is\n%s", log)
	}
}

// What the client has its reply for is told after a kill -9 and a restart.
func TestHookAfterKill(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	in.set(true)
	root, state := t.TempDir(), t.TempDir()
	config := write(t, t.TempDir(), "wasiftpd.toml", "[[hook]]\non = [\"upload\"]\nurl = \""+in.URL+"\"\n")
	args := []string{"--root", root, "--user=u:p:rw", "--state-dir", state, "--config", config}
	s, process := spawn(t, args...)
	d := s.dial()
	d.login("u", "p")
	const files = 5
	for i := range files {
		d.store(s.addr, fmt.Sprint("STOR f", i), "x", 226)
	}
	process.Kill()
	in.set(false)
	start(t, args...)
	for i, e := range in.until(files) {
		if want := fmt.Sprint("/f", i); e.Data.Path != want {
			t.Errorf("%s came, not %s", e.Data.Path, want)
		}
	}
}

// A program is told of names that hold anything.
func TestHookHostileNames(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	in := t.TempDir()
	program := shellProgram(t, `cat >> `+in+`/events
`)
	s := hooked(t, root, t.TempDir(), "[[hook]]\non = [\"mkdir\", \"disconnect\"]\nrun = [\""+program+"\"]\n"+
		"[[hook]]\nname=\"asked\"\non = [\"mkdir\"]\nwait = true\nrun = [\""+program+"\"]\n")
	d := s.dial()
	d.login("u", "p")
	names := []string{"a\"b", "$(touch x)", "a\x1b[2J", "caf\xe9", "\u202eend", "a\\u0000b", "-rf", "<&'"}
	for _, name := range names {
		d.do(257, "MKD "+name)
	}
	d.do(221, "QUIT")
	s.interrupt()
	s.wait()
	log, err := os.ReadFile(filepath.Join(in, "events"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range bytes.Lines(log) {
		var e toldEvent
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		name, file := e.Data.Path, e.Data.File
		if e.Data.PathBytes != nil {
			if strings.ContainsRune(name, '\ufffd') && strings.ContainsRune(file, '\ufffd') {
				name, file = string(e.Data.PathBytes), string(e.Data.FileBytes)
			}
		}
		if e.Type == "wasiftp.mkdir" && file != root+name {
			t.Errorf("%q is %q", name, file)
		}
		seen[strings.TrimPrefix(name, "/")]++
	}
	for _, name := range names {
		if seen[name] == 0 {
			t.Errorf("%q is not told of:\n%s", name, log)
		}
	}
	if _, err := os.Stat("x"); err == nil {
		t.Error("a name was run")
	}
}
