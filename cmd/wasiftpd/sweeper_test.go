package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// leftover makes the file that a hidden upload leaves when its server is killed.
func leftover(t *testing.T, dir string) string {
	t.Helper()
	path := write(t, dir, ".wasiftp-upload-LEFTOVER", "half")
	written(t, path)
	return path
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// vanishes waits for a file to be removed.
func vanishes(t *testing.T, path string) {
	t.Helper()
	for patience := time.Now().Add(10 * time.Second); exists(path); time.Sleep(time.Millisecond) {
		if time.Now().After(patience) {
			t.Fatalf("%s is still there", path)
		}
	}
}

// Unfinished uploads are removed at the start or, from a folder that was missing then, at
// the first login to it. Nothing is removed where nobody may write.
func TestLeftoversAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	shared, public := folder(t, filepath.Join(dir, "shared")), folder(t, filepath.Join(dir, "public"))
	later, host := filepath.Join(dir, "later"), folder(t, filepath.Join(dir, "host"))
	first, kept, hosts := leftover(t, folder(t, filepath.Join(shared, "sub"))), leftover(t, public), leftover(t, host)
	users := write(t, dir, "users",
		"bob:"+bcryptHash4+":shared:rw\neve:"+bcryptHash4+":shared:ro\ndrop:"+bcryptHash4+":later:write\n")
	s := start(t, "--root", public, "--users", users, "--anonymous", "ro", "--host", "a.example.org,anonymous=rw,root="+host)
	vanishes(t, first)
	vanishes(t, hosts)
	s.log.until(`msg="unfinished uploads removed" folder=` + shared + " files=1")

	second := leftover(t, folder(t, later))
	s.admitted("anonymous", "x")
	s.admitted("drop", "secret")
	vanishes(t, second)
	if !exists(kept) {
		t.Error("something was removed from a folder that nobody may write to")
	}
}

// A folder is not swept at each login.
func TestSweepOnceAnHour(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSweeper(t.Context(), slog.New(slog.DiscardHandler))
	sweep := func() {
		s.sweep(dir)
		for busy := true; busy; time.Sleep(time.Millisecond) {
			s.mu.Lock()
			busy = s.busy[dir]
			s.mu.Unlock()
		}
	}
	sweep()
	left := leftover(t, dir)
	sweep()
	if !exists(left) {
		t.Error("it was looked through again")
	}
	s.begun[dir] = time.Now().Add(-sweepTime)
	sweep()
	if exists(left) {
		t.Error("it was not looked through again")
	}
}
