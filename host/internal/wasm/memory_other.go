//go:build !unix

package wasm

import (
	"context"

	"github.com/tetratelabs/wazero/api"
)

// mappedMemory does nothing: an instance's linear memory is in Go's heap.
type mappedMemory struct{}

func mapMemory(uint64) (*mappedMemory, error) { return nil, nil }

// of is the memory of an instance.
func (*mappedMemory) of(module api.Module) []byte {
	memory, _ := module.Memory().Read(0, module.Memory().Size())
	return memory
}

func (*mappedMemory) within(ctx context.Context) context.Context { return ctx }
func (*mappedMemory) Free()                                      {}
