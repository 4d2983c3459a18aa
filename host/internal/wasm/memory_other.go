//go:build !unix

package wasm

// mapsMemory says that instances keep their linear memory in Go's heap.
const mapsMemory = false

type mappedMemory struct{}

func mapMemory(uint64) (*mappedMemory, error) { return nil, nil }

func (*mappedMemory) Reallocate(uint64) []byte { return nil }
func (*mappedMemory) Free()                    {}
