package wasm

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// sumSuffix ends the name of the file that has the SHA-256 of a file of compiled code. The
// runtime's own checksum leaves out its tables of addresses: a bit that has changed there
// would end the process.
const sumSuffix = ".sha256"

// dropDamaged removes the files of compiled code that have another SHA-256 than they had,
// or none.
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

// sumUp writes the SHA-256 of each file of compiled code that has none yet.
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

// eachCompiled calls do with each file of compiled code, but not with those in .tmp, which
// the runtime is still writing. A file may vanish meanwhile: another process may use the
// same cache.
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
	return fmt.Sprintf("%x", sha256.Sum256(content)), err
}
