package hostile

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wasiftp/host"
)

// compiled is the one file of compiled code in a cache.
func compiled(t *testing.T, cache string) string {
	t.Helper()
	var files []string
	filepath.WalkDir(cache, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.HasSuffix(file, ".sha256") {
			files = append(files, file)
		}
		return err
	})
	if len(files) != 1 {
		t.Fatalf("the cache holds %q, want one file", files)
	}
	return files[0]
}

// TestDamagedCache: whatever has become of the compiled engine on the disk, the
// server starts, and the cache is whole again.
func TestDamagedCache(t *testing.T) {
	t.Parallel()
	config := host.Config{Module: handmade().Encode(), CacheDir: t.TempDir()}
	start := func() {
		t.Helper()
		server, err := host.New(config)
		if err != nil {
			t.Fatal(err)
		}
		server.Close()
	}
	start()
	file := compiled(t, config.CacheDir)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged := [][]byte{{}, whole[:len(whole)/2], make([]byte, len(whole)), append(slices.Clone(whole), 0)}
	for at := 0; at < len(whole); at += max(1, len(whole)/100) {
		flipped := slices.Clone(whole)
		flipped[at] ^= 0x10
		damaged = append(damaged, flipped)
	}
	for i, content := range damaged {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		start()
		if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, whole) {
			t.Fatalf("damage %d: the cache holds %d bytes, %v; want %d", i, len(after), err, len(whole))
		}
	}
}

// TestUnusableCache: what stands in the cache's place goes, and a cache that
// can't be had costs time only.
func TestUnusableCache(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	config := host.Config{Module: handmade().Encode(), CacheDir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	place := filepath.Join(config.CacheDir, "compiled")
	if err := os.WriteFile(place, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"is made anew", ""} {
		log.Reset()
		server, err := host.New(config)
		if err != nil {
			t.Fatal(err)
		}
		server.Close()
		if said := log.String(); !strings.Contains(said, want) || want == "" && said != "" {
			t.Errorf("the log is %q, want %q", said, want)
		}
	}
	compiled(t, config.CacheDir)

	log.Reset()
	config.CacheDir = compiled(t, config.CacheDir) // a file
	server, err := host.New(config)
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	if said := log.String(); !strings.Contains(said, "compiling without the cache") {
		t.Errorf("the log is %q", said)
	}
}
