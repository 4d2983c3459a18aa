package wasm

import (
	"os"
	"testing"

	"wasiftp/host/wasmtest"
)

// someMemory is what a test gives an instance.
const someMemory = 16 << 20

// handmade is a program of an engine that does nothing but what step has it do.
func handmade(t *testing.T, step []byte) *Program {
	t.Helper()
	p, err := Compile(wasmtest.Engine(step).Encode(), Options{Memory: someMemory})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// engineModule is the engine that the host has.
func engineModule(tb testing.TB) []byte {
	tb.Helper()
	module, err := os.ReadFile("../../wasiftp.wasm")
	if err != nil {
		tb.Fatal(err)
	}
	return module
}
