package wasm

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"wasiftp/host/wasmtest"
)

// meterSums are the SHA-256 of sample, metered by each version of the meter. Each version adds
// one: caches hold the output of the former ones.
var meterSums = []string{
	"b5c328cf09b67303b07b6f6a25c88d2809d6de2be78c939d085f680d607e068a",
	"789ac22e4d92950cea7550b4192d6aceb4e6027a062470df889578531619a44c",
	"b5c328cf09b67303b07b6f6a25c88d2809d6de2be78c939d085f680d607e068a",
}

// sample has each kind of place at which fuel is burnt or checked.
func sample() []byte {
	block := func(opcode byte, body ...[]byte) []byte {
		return slices.Concat([]byte{opcode, 0x40}, slices.Concat(body...), []byte{0x0b})
	}
	branch := wasmtest.Body(wasmtest.Local(1), []byte{0x0d, 0})
	long := bytes.Repeat(wasmtest.Body(wasmtest.Const32(1), wasmtest.Drop), 100)
	table := wasmtest.Body(wasmtest.Const32(0), []byte{0x0e, 2, 0, 1, 0})
	var parts []byte // short ones, of different lengths
	for n := range 20 {
		part := long[:len(long)/100*n]
		parts = wasmtest.Body(parts, block(0x02, branch, part), block(0x03, block(0x02, block(0x02, table), part, branch, part), part))
	}
	rare := []byte{0xd2, 5, 0x1a, 0xfc, 11, 0, 0xfc, 14, 0, 0} // ref.func, drop, memory.fill, table.copy
	engine := wasmtest.Engine(wasmtest.Body(
		wasmtest.Forever(wasmtest.CopyMemory(1000), wasmtest.GrowMemory(1), wasmtest.Drop),
		wasmtest.Times(3, 1, wasmtest.Store64(0, 1), long, wasmtest.Call(wasmtest.Step)),
		block(0x02, branch, long),
		wasmtest.Body(wasmtest.Local(1), []byte{0x04, 0x40}, long, []byte{0x05}, long, long, []byte{0x0b}),
		block(0x03, block(0x02, block(0x02, table), long), long), wasmtest.Call(0),
		parts, rare,
	))
	engine.Functions[wasmtest.ABIVersion].Body = wasmtest.Const32(5) // whatever it is now
	engine.Imports = []wasmtest.Import{{Namespace: "a", Name: "b"}}
	engine.Table = 1
	engine.Functions = append(engine.Functions,
		wasmtest.Function{Body: block(0x03, block(0x02, block(0x02, table), long, wasmtest.Call(0)), long)},
		wasmtest.Function{Body: long}, wasmtest.Function{})
	return withData(engine, segment{100, []byte("data")}, segment{0, []byte("more")})
}

// A cache must not give a module that another meter made.
func TestMeterVersion(t *testing.T) {
	t.Parallel()
	module, err := metered(sample(), fuelPiece)
	if err != nil {
		t.Fatal(err)
	}
	if len(meterSums) != meterVersion {
		t.Fatalf("there are %d sums, and the meter's version is %d", len(meterSums), meterVersion)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(module)); sum != meterSums[meterVersion-1] {
		t.Errorf("the meter's output has changed: raise meterVersion and add %q to meterSums", sum)
	}
}

// answering is an engine whose ftp_step returns 42.
func answering() []byte {
	engine := wasmtest.Engine(nil)
	engine.Functions[wasmtest.Step].Body = wasmtest.Const64(42)
	return engine.Encode()
}

// answers checks that a program of answering does what it says.
func answers(t *testing.T, options Options) {
	t.Helper()
	p, err := Compile(answering(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	i, err := p.Instantiate(nil, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if next, err := i.Advance(0, 0); next != 42 || err != nil {
		t.Errorf("a step gives %d, %v", next, err)
	}
}

// content describes all files of a cache.
func content(t *testing.T, dir string) map[string]fs.FileInfo {
	t.Helper()
	found := map[string]fs.FileInfo{}
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err == nil {
			found[file], err = entry.Info()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A second start compiles nothing, and its code is that of the module, not of the shell. The
// code for another processor, which has another name, doesn't count.
func TestCachedCodeIsTheModules(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	options := Options{Memory: someMemory, CacheDir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	entry := filepath.Join(options.CacheDir, "compiled", entryName(answering()))
	answers(t, options)
	made := content(t, options.CacheDir)
	answers(t, options)
	if again := content(t, options.CacheDir); !maps.EqualFunc(made, again, os.SameFile) {
		t.Errorf("the second start changes %v to %v", made, again)
	}
	code, err := codeIn(entry)
	if err != nil || len(code) != 1 {
		t.Fatalf("there are %d files of code, %v", len(code), err)
	}
	for file := range code {
		if os.Rename(file, file+"0") != nil || os.Rename(file+sumSuffix, file+"0"+sumSuffix) != nil {
			t.Fatal("the code can't be renamed")
		}
	}
	for range 2 {
		answers(t, options)
		if code, err := codeIn(entry); err != nil || len(code) != 2 {
			t.Errorf("there are %d files of code, %v", len(code), err)
		}
	}
	if log.Len() > 0 {
		t.Errorf("the log is %q", log.String())
	}
}

// The runtime itself would run a shell without the module's code. It ends in the first call.
func TestShellOnlyTraps(t *testing.T) {
	t.Parallel()
	module, err := metered(answering(), fuelPiece)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProgram(wazero.NewRuntimeConfig(), hollow(module), nil, someMemory)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Instantiate(nil, time.Minute); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("an instance of it gives %v", err)
	}
}
