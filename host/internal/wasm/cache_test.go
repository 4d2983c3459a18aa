package wasm

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wasiftp/host/wasmtest"
)

// meterSums are the SHA-256 of sample, metered by each version of the meter. Each version adds
// one: caches hold the output of the former ones.
var meterSums = []string{
	"f78d697156a531b6ba62131d7ab017b4811fd18f56731e017dd834539e7dd016",
	"27040d0d73e7d883420b65cb19a5fc2deffe61890ad4cfbe30dfb624c5d4f783",
}

// sample has each kind of place at which fuel is burnt or checked.
func sample() []byte {
	block := func(opcode byte, body ...[]byte) []byte {
		return slices.Concat([]byte{opcode, 0x40}, slices.Concat(body...), []byte{0x0b})
	}
	branch := []byte{0x0d, 0}
	long := bytes.Repeat(wasmtest.Body(wasmtest.Const32(1), wasmtest.Drop), 100)
	table := wasmtest.Body(wasmtest.Const32(0), []byte{0x0e, 2, 0, 1, 0})
	engine := wasmtest.Engine(wasmtest.Body(
		wasmtest.Forever(wasmtest.CopyMemory(1000), wasmtest.GrowMemory(1), wasmtest.Drop),
		wasmtest.Times(3, 1, wasmtest.Store64(0, 1), long, wasmtest.Call(wasmtest.Step)),
		block(0x02, wasmtest.Local(1), branch, long),
		wasmtest.Body(wasmtest.Local(1), []byte{0x04, 0x40}, long, []byte{0x05}, long, long, []byte{0x0b}),
		block(0x03, block(0x02, block(0x02, table), long), long), wasmtest.Call(0),
	))
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

// The second start reads the metered module instead of making it, but only with its SHA-256.
func TestMeteredModuleIsKept(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	options := Options{Memory: someMemory, CacheDir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	module := wasmtest.Engine(nil).Encode()
	file := filepath.Join(options.CacheDir, "compiled", entryName(module), meteredName)
	steps := func() error {
		t.Helper()
		p, err := Compile(module, options)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		i, err := p.Instantiate(nil, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close()
		_, err = i.Advance(0, 0)
		return err
	}
	if err := steps(); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(file)
	if want, _ := metered(module, fuelPiece); err != nil || !bytes.Equal(kept, want) {
		t.Fatalf("%d bytes are kept, %v; want %d", len(kept), err, len(want))
	}
	trapping, err := metered(wasmtest.Engine(wasmtest.Unreachable).Encode(), fuelPiece)
	if err != nil {
		t.Fatal(err)
	}
	for sum, traps := range map[string]bool{fmt.Sprintf("%x", sha256.Sum256(trapping)): true, "another": false} {
		if os.WriteFile(file, trapping, 0o600) != nil || os.WriteFile(file+sumSuffix, []byte(sum), 0o600) != nil {
			t.Fatal("the file can't be written")
		}
		if err := steps(); (err != nil) != traps {
			t.Errorf("with the sum %s: %v", sum, err)
		}
		if strings.Contains(log.String(), "damaged") == traps {
			t.Errorf("with the sum %s the log is %q", sum, log.String())
		}
		log.Reset()
	}
}
