package host

import (
	"runtime"
	"testing"
	"weak"

	"wasiftp/host/wasmtest"
)

// A server keeps the code that it has compiled, and not the module as well.
func TestModuleIsLetGo(t *testing.T) {
	t.Parallel()
	module := wasmtest.Engine(nil).Encode()
	kept := weak.Make(&module[0])
	s, err := New(Config{Module: module})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	module = nil
	if runtime.GC(); kept.Value() != nil {
		t.Error("the module is kept")
	}
}
