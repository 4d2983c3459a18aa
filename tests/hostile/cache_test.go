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

// compiled are the files of a cache, without the sums: one of compiled code, the module's
// shell, and its image.
func compiled(t *testing.T, cache string) []string {
	t.Helper()
	var files []string
	filepath.WalkDir(cache, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.HasSuffix(file, ".sha256") {
			files = append(files, file)
		}
		return err
	})
	if len(files) != 3 {
		t.Fatalf("the cache holds %q, want three files", files)
	}
	return files
}

// TestDamagedCache: whatever the damage of the compiled engine on the disk, the server
// starts and repairs the cache.
func TestDamagedCache(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	config := host.Config{Module: handmade().Encode(), CacheDir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	start := func() {
		t.Helper()
		server, err := host.New(config)
		if err != nil {
			t.Fatal(err)
		}
		server.Close()
	}
	start()
	if log.Len() > 0 {
		t.Errorf("the log is %q", log.String())
	}
	for _, file := range compiled(t, config.CacheDir) {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, content := range damages(whole) {
			if bytes.Equal(content, whole) { // of an empty file
				continue
			}
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			log.Reset()
			start()
			if !strings.Contains(log.String(), "damaged") {
				t.Errorf("damage %d of %s is not told of: %q", i, file, log.String())
			}
			if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, whole) {
				t.Fatalf("damage %d: %s holds %d bytes, %v; want %d", i, file, len(after), err, len(whole))
			}
		}
	}
}

// damages are what a disk might make of a file.
func damages(whole []byte) [][]byte {
	damaged := [][]byte{{}, whole[:len(whole)/2], make([]byte, len(whole)), append(slices.Clone(whole), 0)}
	for at := 0; at < len(whole); at += max(1, len(whole)/100) {
		flipped := slices.Clone(whole)
		flipped[at] ^= 0x10
		damaged = append(damaged, flipped)
	}
	return damaged
}

// TestUnusableCache: a file in the place of the cache's folder is removed, and a server
// that cannot have a cache compiles without one.
func TestUnusableCache(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	config := host.Config{Module: handmade().Encode(), CacheDir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	place := filepath.Join(config.CacheDir, "compiled")
	if err := os.WriteFile(place, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"is made anew", ""} {
		log.Reset()
		server, err := host.New(config)
		if err != nil {
			t.Fatal(err)
		}
		server.Close()
		if said := log.String(); !strings.Contains(said, says) || says == "" && said != "" {
			t.Errorf("the log is %q", said)
		}
	}
	compiled(t, config.CacheDir)

	config.CacheDir = compiled(t, config.CacheDir)[0] // a file
	server, err := host.New(config)
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	if said := log.String(); !strings.Contains(said, "compiling without the cache") {
		t.Errorf("the log is %q", said)
	}
}
