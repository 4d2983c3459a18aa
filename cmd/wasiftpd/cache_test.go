package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCache(t *testing.T) {
	t.Parallel()
	var log notes
	logger := newLogger(&log, "text")
	if dir, err := openCache("off", logger); dir != "" || err != nil {
		t.Errorf("off gives %q, %v", dir, err)
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		if got, err := openCache(dir, logger); got != dir || err != nil {
			t.Errorf("%s gives %q, %v", dir, got, err)
		}
	}
	if got := log.records(); len(got) != 1 || !strings.Contains(got[0], "folder made") {
		t.Errorf("the log is %q", got)
	}
	if got, err := openCache(write(t, dir, "file", ""), logger); got != "" || err == nil {
		t.Errorf("a file gives %q, %v; want a fault", got, err)
	}
}

// Machine code that others could write is thrown away, and not run.
func TestCacheOfOthers(t *testing.T) {
	t.Parallel()
	needsModes(t)
	dir := t.TempDir()
	compiled := filepath.Join(dir, "compiled", "wazero")
	for name, plant := range map[string]func(t *testing.T, file string) error{
		"writable":        func(_ *testing.T, file string) error { return os.Chmod(file, 0o666) },
		"folder writable": func(_ *testing.T, file string) error { return os.Chmod(filepath.Dir(file), 0o777) },
		"of another": func(t *testing.T, file string) error {
			needsRoot(t)
			return os.Chown(file, stranger, stranger)
		},
		"a link to another's": func(t *testing.T, file string) error {
			needsRoot(t)
			theirs := write(t, t.TempDir(), "code", "")
			return firstError(os.Chown(theirs, stranger, stranger), os.Remove(file), os.Symlink(theirs, file))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.MkdirAll(compiled, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := plant(t, write(t, compiled, "code", "")); err != nil {
				t.Fatal(err)
			}
			var log notes
			if got, err := openCache(dir, newLogger(&log, "text")); got != dir || err != nil {
				t.Errorf("the cache is %q, %v", got, err)
			}
			if _, err := os.Lstat(filepath.Join(dir, "compiled")); err == nil {
				t.Error("the code is kept")
			}
			if got := strings.Join(log.records(), "\n"); !strings.Contains(got, "made anew") {
				t.Errorf("the log is %s", got)
			}
		})
	}
}
