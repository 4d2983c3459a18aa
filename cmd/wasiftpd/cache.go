package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// openCache makes the folder for the compiled engine: dir, or the user's own
// for "", or none for "off". Whoever can write there can have this process run
// what he likes, so that it must be private.
func openCache(dir string) (string, error) {
	if dir == "off" {
		return "", nil
	}
	return privateDir(dir, os.UserCacheDir)
}

// privateDir makes a folder that nobody else may enter: dir or, for "", ours
// in base.
func privateDir(dir string, base func() (string, error)) (string, error) {
	if dir == "" {
		above, err := base()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(above, "wasiftpd")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	// Windows has no such bits; its profile folders are private.
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("others may enter %s; chmod 700 it", dir)
	}
	return dir, nil
}
