package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestCache(t *testing.T) {
	t.Parallel()
	if dir, err := openCache("off"); dir != "" || err != nil {
		t.Errorf("off gives %q, %v", dir, err)
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		if got, err := openCache(dir); got != dir || err != nil {
			t.Errorf("%s gives %q, %v", dir, got, err)
		}
	}
	if got, err := openCache(write(t, dir, "file", "")); got != "" || err == nil {
		t.Errorf("a file gives %q, %v; want a fault", got, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if got, err := openCache(dir); got != "" || err == nil {
		t.Errorf("a folder of others gives %q, %v; want a fault", got, err)
	}
}
