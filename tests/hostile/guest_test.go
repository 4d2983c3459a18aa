package hostile

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"wasiftp/host"
)

// guest builds the module of ./guest, which misbehaves as the test wants.
var guest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "guest.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", file, "./guest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=-buildvcs=false")
	if printed, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, printed)
	}
	module, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	// This compiles the module into the cache, for all tests.
	server, err := host.New(host.Config{Module: module, CacheDir: cacheDir})
	if err != nil {
		return nil, err
	}
	return module, server.Close()
})
