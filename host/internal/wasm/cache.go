package wasm

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// The cache has an entry for each module: a folder with the metered module and the code that
// the runtime has compiled of it. A start reads no other entry.

// entryName is the name of a module's entry. Another meter makes another entry.
func entryName(module []byte) string {
	return fmt.Sprintf("%x-%d", sha256.Sum256(module), meterVersion)
}

// meteredName is the name of the metered module in an entry.
const meteredName = "metered"

// meteredIn returns the metered module from the entry dir. It adds the module there if it is
// missing.
func meteredIn(dir string, module []byte) ([]byte, error) {
	file := filepath.Join(dir, meteredName)
	if kept, err := os.ReadFile(file); err == nil {
		return kept, nil
	}
	module, err := metered(module, fuelPiece)
	if err != nil {
		return nil, err
	}
	return module, writeWhole(file, module)
}

// writeWhole writes a file, which another process sees as a whole or not at all.
func writeWhole(file string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*"+temporarySuffix)
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		os.Remove(temporary.Name())
	}
	return err
}

// sumSuffix ends the name of the file that has the SHA-256 of another file of the cache. The
// runtime's own checksum leaves out its tables of addresses: a bit that has changed there
// would end the process.
const sumSuffix = ".sha256"

// temporarySuffix ends the name of a file that is still being written, by the runtime too.
const temporarySuffix = ".tmp"

// dropDamaged removes the files of an entry that have another SHA-256 than they had, or none.
func dropDamaged(dir string, logger *slog.Logger) error {
	return eachFile(dir, func(file string) error {
		if want, err := os.ReadFile(file + sumSuffix); err == nil {
			if sum, err := sumOf(file); err == nil && sum == string(want) {
				return nil
			}
			logger.Warn("a file of the cache is damaged and is made anew", "file", file)
			os.Remove(file + sumSuffix)
		}
		return os.Remove(file)
	})
}

// sumUp writes the SHA-256 of each file of an entry that has none yet.
func sumUp(dir string) error {
	return eachFile(dir, func(file string) error {
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

// eachFile calls do with each finished file of an entry that is no sum. A file may vanish
// meanwhile: another process may use the same cache.
func eachFile(dir string, do func(file string) error) error {
	return filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.HasSuffix(file, sumSuffix) && !strings.HasSuffix(file, temporarySuffix) {
			err = do(file)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// sumOf is the SHA-256 of a file, in hexadecimal. It reads the file in pieces: as a whole it
// would be garbage of 10 MiB at the start.
func sumOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.CopyBuffer(sum, struct{ io.Reader }{f}, make([]byte, 64<<10))
	return fmt.Sprintf("%x", sum.Sum(nil)), err
}
