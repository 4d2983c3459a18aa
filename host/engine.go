package host

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"wasiftp/wasi"
)

// This is the one file that names the WebAssembly runtime.

//go:embed wasiftp.wasm
var embedded []byte

// Module is the engine built into this package: a WebAssembly module.
func Module() []byte { return slices.Clone(embedded) }

// ModuleInfo is what [Inspect] finds out about an engine.
type ModuleInfo struct {
	SHA256     string // of the module's bytes, in hexadecimal
	ABIVersion int
	Size       int // in bytes
}

// Inspect describes a module, and returns a one-sentence error when it is none
// that this package can run. It runs the module's own set-up code.
func Inspect(module []byte) (ModuleInfo, error) {
	ctx := context.Background()
	p, err := newProgram(ctx, wazero.NewRuntimeConfigInterpreter(), module, minMemory)
	if err != nil {
		return ModuleInfo{}, err
	}
	defer p.close()
	i, err := p.instantiate(nil)
	if err != nil {
		return ModuleInfo{}, err
	}
	i.close()
	sum := sha256.Sum256(module)
	return ModuleInfo{SHA256: hex.EncodeToString(sum[:]), ABIVersion: wasi.ABIVersion, Size: len(module)}, nil
}

// runtimeFunctions are what Go's runtime needs of WASI: they give a guest the
// time, randomness, its (empty) environment and its standard error, and no file
// and no socket.
var runtimeFunctions = []string{
	"args_get", "args_sizes_get", "clock_time_get", "environ_get", "environ_sizes_get",
	"fd_write", "poll_oneoff", "proc_exit", "random_get", "sched_yield",
}

// program is a compiled engine, from which instances are made.
type program struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	cache    wazero.CompilationCache // nil for none
}

// compile makes the program that the configuration asks for. A damaged cache
// makes compilation fail: it is then emptied, and not used this time.
func compile(config *Config) (*program, error) {
	ctx := context.Background()
	runtimeConfig := wazero.NewRuntimeConfig()
	if config.CacheDir != "" {
		dir := filepath.Join(config.CacheDir, "compiled")
		cache, err := wazero.NewCompilationCacheWithDir(dir)
		if err == nil {
			var p *program
			if p, err = newProgram(ctx, runtimeConfig.WithCompilationCache(cache), config.Module, config.Limits.MemoryPerInstance); err == nil {
				p.cache = cache
				return p, nil
			}
			cache.Close(ctx)
			os.RemoveAll(dir)
		}
		config.Logger.Warn("compiling without the cache", "dir", dir, "err", err)
	}
	return newProgram(ctx, runtimeConfig, config.Module, config.Limits.MemoryPerInstance)
}

func newProgram(ctx context.Context, config wazero.RuntimeConfig, module []byte, memory int64) (*program, error) {
	config = config.WithCloseOnContextDone(true).WithMemoryLimitPages(uint32(memory >> 16))
	p := &program{runtime: wazero.NewRuntimeWithConfig(ctx, config)}
	if err := p.prepare(ctx, module); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *program) prepare(ctx context.Context, module []byte) (err error) {
	if p.compiled, err = p.runtime.CompileModule(ctx, module); err != nil {
		return fmt.Errorf("the module is no valid WebAssembly: %w", err)
	}
	if err := checkImports(p.compiled); err != nil {
		return err
	}
	if err := checkExports(p.compiled); err != nil {
		return err
	}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, p.runtime); err != nil {
		return err
	}
	builder := p.runtime.NewHostModuleBuilder(wasi.Namespace)
	for n, i := range wasi.Table {
		params, results := signature(i)
		builder.NewFunctionBuilder().WithGoModuleFunction(hostFunction(n), params, results).Export(i.Name)
	}
	_, err = builder.Instantiate(ctx)
	return err
}

func (p *program) close() {
	ctx := context.Background()
	p.runtime.Close(ctx)
	if p.cache != nil {
		p.cache.Close(ctx)
	}
}

// signature is an import's in WebAssembly's own types.
func signature(i wasi.Import) (params, results []api.ValueType) {
	for _, p := range i.Params {
		switch p.Kind {
		case wasi.Int64:
			params = append(params, api.ValueTypeI64)
		case wasi.In, wasi.Out:
			params = append(params, api.ValueTypeI32, api.ValueTypeI32)
		default:
			params = append(params, api.ValueTypeI32)
		}
	}
	return params, []api.ValueType{api.ValueTypeI32}
}

func checkImports(module wazero.CompiledModule) error {
	for _, f := range module.ImportedFunctions() {
		namespace, name, _ := f.Import()
		switch namespace {
		case wasi_snapshot_preview1.ModuleName:
			if slices.Contains(runtimeFunctions, name) {
				continue
			}
		case wasi.Namespace:
			if at := slices.IndexFunc(wasi.Table[:], func(i wasi.Import) bool { return i.Name == name }); at >= 0 {
				params, results := signature(wasi.Table[at])
				if !slices.Equal(params, f.ParamTypes()) || !slices.Equal(results, f.ResultTypes()) {
					return fmt.Errorf("the module imports %s.%s with another signature than ABI version %d has", namespace, name, wasi.ABIVersion)
				}
				continue
			}
		}
		return fmt.Errorf("the module imports %s.%s, which this host does not offer", namespace, name)
	}
	return nil
}

func checkExports(module wazero.CompiledModule) error {
	if len(module.ExportedMemories()) != 1 {
		return errors.New("the module exports no memory")
	}
	exported := module.ExportedFunctions()
	for _, want := range wasi.Exports {
		f, ok := exported[want.Name]
		if !ok {
			return fmt.Errorf("the module does not export %s; it is no engine for this host", want.Name)
		}
		if !slices.Equal(want.Params, typeNames(f.ParamTypes())) || want.Result != strings.Join(typeNames(f.ResultTypes()), " ") {
			return fmt.Errorf("the module exports %s with another signature than ABI version %d has", want.Name, wasi.ABIVersion)
		}
	}
	return nil
}

func typeNames(types []api.ValueType) []string {
	var names []string
	for _, t := range types {
		names = append(names, api.ValueTypeName(t))
	}
	return names
}

// instance is a running engine. Its methods are called by one goroutine at a
// time, except hung.
type instance struct {
	module  api.Module
	ctx     context.Context // carries the instance itself, and ends when it hangs
	cancel  context.CancelFunc
	step    api.Function
	stack   [2]uint64
	imports importer
	args    args
	stderr  bounded
}

// importer does what the guest's imports ask for.
type importer interface {
	call(n int, a *args) wasi.Errno
}

type instanceKey struct{}

// instantiate makes an instance whose imports are answered by imports, and
// checks its ABI version. The engine is not yet started.
func (p *program) instantiate(imports importer) (*instance, error) {
	i := &instance{imports: imports}
	var ctx context.Context
	ctx, i.cancel = context.WithCancel(context.Background())
	i.ctx = context.WithValue(ctx, instanceKey{}, i)
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions().
		WithSysWalltime().WithSysNanotime().WithSysNanosleep().WithRandSource(rand.Reader).WithStderr(&i.stderr)
	var err error
	i.module, err = p.runtime.InstantiateModule(withMappedMemory(i.ctx), p.compiled, config)
	if err != nil {
		i.cancel()
		return nil, fmt.Errorf("the module does not start: %w", err)
	}
	i.step = i.module.ExportedFunction("ftp_step")
	if _, err := i.run("_initialize"); err != nil {
		i.close()
		return nil, fmt.Errorf("the module does not start: %w", err)
	}
	version, err := i.run("ftp_abi_version")
	if err == nil && uint32(version) != wasi.ABIVersion {
		err = fmt.Errorf("the module was built for ABI version %d; this host has %d", uint32(version), wasi.ABIVersion)
	}
	if err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

// start starts the engine. The guest fetches the configuration by an import.
func (i *instance) start(configSize int) error {
	errno, err := i.run("ftp_start", uint64(configSize))
	if err == nil && errno != 0 {
		err = fmt.Errorf("the engine refused its configuration: %w", wasi.Errno(errno))
	}
	return err
}

func (i *instance) run(export string, params ...uint64) (uint64, error) {
	results, err := i.module.ExportedFunction(export).Call(i.ctx, params...)
	if err != nil {
		return 0, i.trapped(export, err)
	}
	if len(results) == 0 {
		return 0, nil
	}
	return results[0], nil
}

// advance is one step of the engine; next is when it wants another even without
// events, in ns since 1970, 0 for never.
func (i *instance) advance(now int64, events int) (next int64, err error) {
	i.stack = [2]uint64{uint64(now), uint64(uint32(events))}
	if err := i.step.CallWithStack(i.ctx, i.stack[:]); err != nil {
		return 0, i.trapped("ftp_step", err)
	}
	return int64(i.stack[0]), nil
}

// trapped says how a call into the guest failed, in one line, with the first
// line that the guest printed about it.
func (i *instance) trapped(export string, err error) error {
	if i.ctx.Err() != nil {
		return fmt.Errorf("%s: the engine hung and was stopped", export)
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	if printed, _, _ := bytes.Cut(i.stderr.text, []byte("\n")); len(printed) > 0 {
		line += ": " + string(printed)
	}
	return fmt.Errorf("%s: %s", export, line)
}

// hung makes the guest's present call fail, and every later one. It may be
// called from any goroutine.
func (i *instance) hung() { i.cancel() }

func (i *instance) close() {
	i.module.Close(context.Background())
	i.cancel()
}

// bounded keeps the first of what the guest prints: a stack overflow alone
// prints 30,000 frames.
type bounded struct{ text []byte }

func (b *bounded) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), 4096-len(b.text))]...)
	return len(p), nil
}

// args are an import's arguments, checked against the table: whatever the guest
// passes, a pointer here leads into its memory. The slices are void once the
// guest runs again.
type args struct {
	numbers [maxParams]uint64
	memory  [maxParams][]byte
}

const maxParams = 6

func (a *args) handle(n int) uint32 { return uint32(a.numbers[n]) }
func (a *args) uint32(n int) uint32 { return uint32(a.numbers[n]) }
func (a *args) int64(n int) int64   { return int64(a.numbers[n]) }
func (a *args) bytes(n int) []byte  { return a.memory[n] }
func (a *args) string(n int) string { return string(a.memory[n]) }

// hostFunction is import n as the runtime calls it.
func hostFunction(n int) api.GoModuleFunc {
	params := wasi.Table[n].Params
	return func(ctx context.Context, module api.Module, stack []uint64) {
		i := ctx.Value(instanceKey{}).(*instance)
		stack[0] = uint64(i.call(n, params, module.Memory(), stack))
	}
}

func (i *instance) call(n int, params []wasi.Param, memory api.Memory, stack []uint64) wasi.Errno {
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
	return i.imports.call(n, &i.args)
}

// withMappedMemory makes instances keep their linear memory outside Go's heap,
// where the platform can.
func withMappedMemory(ctx context.Context) context.Context {
	if !mapsMemory {
		return ctx
	}
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(
		func(_, limit uint64) experimental.LinearMemory { return mapMemory(limit) }))
}
