package main

import (
	"log/slog"
	"os"
	"path/filepath"
)

// openCache makes the folder for the compiled engine and returns its name. dir is that
// folder, "" for a usual one, or "off" for none, which returns "". The folder must be
// private: whoever can write there can have this process run any code.
func openCache(dir string, logger *slog.Logger) (string, error) {
	if dir == "off" {
		return "", nil
	}
	dir, err := privateDir(dir, usualCaches(), logger)
	if err != nil {
		return "", err
	}
	compiled := filepath.Join(dir, "compiled")
	if err := claim(compiled, logger); err != nil {
		logger.Warn("compiled code that others could change is made anew", "err", err)
		return dir, os.RemoveAll(compiled)
	}
	return dir, nil
}

func usualCaches() []place { return usualPlaces(os.UserCacheDir, "CACHE_DIRECTORY", "/var/cache") }
