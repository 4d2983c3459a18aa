//go:build !unix

package wasm

import "context"

// mappedMemory does nothing: an instance's linear memory is in Go's heap.
type mappedMemory struct{}

func mapMemory(uint64) (*mappedMemory, error) { return nil, nil }

func (*mappedMemory) within(ctx context.Context) context.Context { return ctx }
func (*mappedMemory) Free()                                      {}
