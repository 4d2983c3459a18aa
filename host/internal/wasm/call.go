package wasm

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	"wasiftp/wasi"
)

// Args are an import's arguments by their index in the table. Every pointer has been
// checked to lead into the guest's memory; nothing else has been checked. The slices are
// invalid once the guest runs again.
type Args struct {
	numbers [maxParams]uint64
	memory  [maxParams][]byte
}

const maxParams = 6

// Handle returns the number that the guest gives for a handle; there may be no such handle.
func (a *Args) Handle(n int) uint32 { return uint32(a.numbers[n]) }

// Uint32 returns flags or a small number.
func (a *Args) Uint32(n int) uint32 { return uint32(a.numbers[n]) }

// Int64 returns an offset or a time.
func (a *Args) Int64(n int) int64 { return int64(a.numbers[n]) }

// Bytes returns the guest's memory that a pointer leads to.
func (a *Args) Bytes(n int) []byte { return a.memory[n] }

// String returns a copy of it.
func (a *Args) String(n int) string { return string(a.memory[n]) }

// hostFunction adapts import n of the table to the runtime.
func hostFunction(n int) api.GoModuleFunc {
	params := wasi.Table[n].Params
	return func(ctx context.Context, module api.Module, stack []uint64) {
		i := ctx.Value(instanceKey{}).(*Instance)
		stack[0] = uint64(i.call(n, params, module.Memory(), stack))
	}
}

// refill is the import that metering adds to a module.
func refill(ctx context.Context, module api.Module, _ []uint64) {
	ctx.Value(instanceKey{}).(*Instance).refill(module)
}

// systemFunction adapts one of systemFunctions to the runtime.
func systemFunction(f func(*Instance, []byte, [4]uint32) wasi.Errno) api.GoModuleFunc {
	return func(ctx context.Context, module api.Module, stack []uint64) {
		i := ctx.Value(instanceKey{}).(*Instance)
		memory, _ := module.Memory().Read(0, module.Memory().Size())
		stack[0] = uint64(f(i, memory, [4]uint32{uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])}))
	}
}

func (i *Instance) call(n int, params []wasi.Param, memory api.Memory, stack []uint64) wasi.Errno {
	if i.imports == nil {
		return wasi.EBUSY
	}
	at := 0
	for p, param := range params {
		value := stack[at]
		at++
		switch param.Kind {
		case wasi.Handle, wasi.Uint32:
			i.args.numbers[p] = uint64(uint32(value)) // the upper half of an i32 is garbage
		case wasi.Int64:
			i.args.numbers[p] = value
		default:
			size := param.Kind.Size()
			if size == 0 {
				size = uint32(stack[at])
				at++
			}
			view, ok := memory.Read(uint32(value), size)
			if !ok {
				return wasi.EFAULT
			}
			i.args.memory[p] = view
		}
	}
	return i.imports.Call(n, &i.args)
}
