package wasm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// sumSuffix names the file with the SHA-256 of a file of compiled code. The
// runtime's own checksum leaves out its tables of addresses: a bit that has
// changed there would end the process.
const sumSuffix = ".sha256"

// dropDamaged removes the files of compiled code that are not what they were, and
// those of which nobody knows it.
func dropDamaged(dir string, logger *slog.Logger) error {
	return eachCompiled(dir, func(file string) error {
		if want, err := os.ReadFile(file + sumSuffix); err == nil {
			if sum, err := sumOf(file); err == nil && sum == string(want) {
				return nil
			}
			logger.Warn("compiled code is damaged and is made anew", "file", file)
			os.Remove(file + sumSuffix)
		}
		return os.Remove(file)
	})
}

// sumUp notes what the files of compiled code are.
func sumUp(dir string) error {
	return eachCompiled(dir, func(file string) error {
		if _, err := os.Lstat(file + sumSuffix); err == nil {
			return nil
		}
		sum, err := sumOf(file)
		if err != nil {
			return err
		}
		return os.WriteFile(file+sumSuffix, []byte(sum), 0o600)
	})
}

// eachCompiled calls do with the files of compiled code. The runtime writes
// them under names that end in .tmp. Files that go meanwhile are another
// process's, which has the same cache.
func eachCompiled(dir string, do func(file string) error) error {
	return filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.HasSuffix(file, sumSuffix) && !strings.HasSuffix(file, ".tmp") {
			err = do(file)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

func sumOf(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}
