package wasm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
)

// The cache has an entry for each module: a folder with the code that the runtime has compiled
// of the metered module, the module's shell, and the content of its image. A start reads no
// other entry.
//
// The shell is the metered module with functions that only trap. The runtime decodes and
// validates all code of a module before it looks for its compiled code, and keeps it in
// memory: a third of a start, and 2 MiB. So the entry has the code of the module under the
// name that the runtime gives to the code of the shell, and a start loads the shell. The
// code was validated when the entry was made; like compiled code, it is believed later
// because nobody else can write to the cache.

const (
	shellName       = "shell"
	imageName       = "image"
	sumSuffix       = ".sha256" // of the file with a file's SHA-256
	temporarySuffix = ".tmp"    // of what is still being made, by the runtime too
)

// errIncomplete is the error of loading an entry that has not what this program needs.
// Another processor or runtime needs other code.
var errIncomplete = errors.New("the cache lacks compiled code")

// entryName is the name of a module's entry. Another meter makes another entry.
func entryName(module []byte) string {
	return fmt.Sprintf("%x-%d", sha256.Sum256(module), meterVersion)
}

// loadEntry makes a program of an entry without damage.
func loadEntry(dir string, memory int64) (*Program, error) {
	shell, err := os.ReadFile(filepath.Join(dir, shellName))
	var content []byte
	if err == nil {
		content, err = os.ReadFile(filepath.Join(dir, imageName))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errIncomplete
	}
	if err != nil {
		return nil, err
	}
	before, err := codeIn(dir)
	if err == nil && len(before) == 0 {
		err = errIncomplete
	}
	if err != nil {
		return nil, err
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, err
	}
	p, err := newProgram(wazero.NewRuntimeConfig().WithCompilationCache(cache), shell, content, memory)
	if err != nil {
		cache.Close(context.Background())
		return nil, err
	}
	p.cache = cache
	after, err := codeIn(dir)
	if err == nil && !maps.EqualFunc(before, after, os.SameFile) { // the runtime has compiled the shell's own functions
		err = errIncomplete
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// codeIn describes the files of compiled code in dir, by name.
func codeIn(dir string) (map[string]fs.FileInfo, error) {
	found := map[string]fs.FileInfo{}
	return found, eachFile(dir, func(file string) error {
		if name := filepath.Base(file); name == shellName || name == imageName {
			return nil
		}
		info, err := os.Lstat(file)
		found[file] = info
		return err
	})
}

// makeEntry makes a module's entry. Other processes may do so at the same time.
func makeEntry(dir string, module []byte) error {
	full, err := metered(module, fuelPiece)
	if err != nil {
		return err
	}
	full, content := separated(full)
	shell := hollow(full)
	var made [2]string // files of compiled code, in folders of their own
	for n, module := range [][]byte{full, shell} {
		place, err := os.MkdirTemp(dir, "*"+temporarySuffix)
		if err != nil {
			return err
		}
		defer os.RemoveAll(place)
		if made[n], err = compileInto(place, module); err != nil {
			return err
		}
	}
	runtime, name := filepath.Split(made[1])
	image := filepath.Join(runtime, imageName)
	if err := errors.Join(os.WriteFile(made[1], shell, 0o600), os.WriteFile(image, content, 0o600)); err != nil {
		return err
	}
	runtime = filepath.Join(dir, filepath.Base(runtime))
	if err := os.MkdirAll(runtime, 0o700); err != nil {
		return err
	}
	return errors.Join(publish(made[0], filepath.Join(runtime, name)), publish(image, filepath.Join(dir, imageName)),
		publish(made[1], filepath.Join(dir, shellName)))
}

// compileInto compiles a module into an empty folder, and returns the file with the code.
func compileInto(dir string, module []byte) (file string, err error) {
	ctx := context.Background()
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return "", err
	}
	defer cache.Close(ctx)
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(cache))
	defer r.Close(ctx)
	if _, err = r.CompileModule(ctx, module); err != nil {
		return "", notValid(err)
	}
	code, err := codeIn(dir)
	if err == nil && len(code) != 1 {
		err = errIncomplete
	}
	if err != nil {
		return "", err
	}
	return slices.Collect(maps.Keys(code))[0], nil
}

// publish moves a file into an entry, behind its sum: no other process sees it without.
func publish(from, to string) error {
	sum, err := sumOf(from)
	if err != nil {
		return err
	}
	temporary := from + sumSuffix
	if err := os.WriteFile(temporary, []byte(sum), 0o600); err != nil {
		return err
	}
	if err := os.Rename(temporary, to+sumSuffix); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// dropDamaged removes the files of an entry that have another SHA-256 than they had, or none.
// The runtime's own checksum leaves out its tables of addresses: a bit that has changed there
// would end the process.
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

// eachFile calls do with each finished file of an entry that is no sum. A file may vanish
// meanwhile: another process may use the same cache.
func eachFile(dir string, do func(file string) error) error {
	return filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err == nil && file != dir && entry.IsDir() && strings.HasSuffix(file, temporarySuffix):
			return filepath.SkipDir
		case err == nil && !entry.IsDir() && !strings.HasSuffix(file, sumSuffix) && !strings.HasSuffix(file, temporarySuffix):
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
