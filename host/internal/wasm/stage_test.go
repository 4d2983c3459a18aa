package wasm

import (
	"os"
	"testing"

	"wasiftp/host/wasmtest"
)

// someMemory is how many bytes of memory an instance gets in tests.
const someMemory = 16 << 20

// handmade compiles an engine that does nothing; step is the body of its ftp_step.
func handmade(t *testing.T, step []byte) *Program {
	t.Helper()
	p, err := Compile(wasmtest.Engine(step).Encode(), Options{Memory: someMemory})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// engineModule is the engine that the host embeds.
func engineModule(tb testing.TB) []byte {
	tb.Helper()
	module, err := os.ReadFile("../../wasiftp.wasm")
	if err != nil {
		tb.Fatal(err)
	}
	return module
}
