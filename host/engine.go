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
	"time"

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
	i, err := p.instantiate(nil, time.Minute)
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
	memory   uint64                  // what an instance may have
}

// compile makes the program that the configuration asks for. A cache that makes
// compilation fail is emptied and filled anew. What can't be kept is compiled all
// the same.
func compile(config *Config) (*program, error) {
	ctx := context.Background()
	if config.CacheDir != "" {
		dir := filepath.Join(config.CacheDir, "compiled")
		p, err := compileCached(ctx, config, dir)
		if err != nil {
			config.Logger.Warn("the cache of compiled code can't be used and is made anew", "dir", dir, "err", err)
			if err = os.RemoveAll(dir); err == nil {
				p, err = compileCached(ctx, config, dir)
			}
		}
		if err == nil {
			return p, nil
		}
		config.Logger.Warn("compiling without the cache", "dir", dir, "err", err)
	}
	return newProgram(ctx, wazero.NewRuntimeConfig(), config.Module, config.Limits.MemoryPerInstance)
}

// compileCached compiles what is not in the cache in dir, and puts it there.
func compileCached(ctx context.Context, config *Config, dir string) (*program, error) {
	if err := dropDamaged(dir, config.Logger); err != nil {
		return nil, err
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, err
	}
	p, err := newProgram(ctx, wazero.NewRuntimeConfig().WithCompilationCache(cache), config.Module, config.Limits.MemoryPerInstance)
	if err != nil {
		cache.Close(ctx)
		return nil, err
	}
	p.cache = cache
	if err := sumUp(dir); err != nil {
		config.Logger.Warn("the next start compiles the engine again", "dir", dir, "err", err)
	}
	return p, nil
}

func newProgram(ctx context.Context, config wazero.RuntimeConfig, module []byte, memory int64) (*program, error) {
	module, err := metered(module, fuelPiece)
	if err != nil {
		return nil, err
	}
	p := &program{
		runtime: wazero.NewRuntimeWithConfig(ctx, config.WithMemoryLimitPages(uint32(memory>>16))), memory: uint64(memory),
	}
	if err := p.prepare(ctx, module); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *program) prepare(ctx context.Context, module []byte) (err error) {
	if p.compiled, err = p.runtime.CompileModule(ctx, module); err != nil {
		return fmt.Errorf("the module is no valid WebAssembly: %s", firstLine(err))
	}
	if err := checkImports(p.compiled); err != nil {
		return err
	}
	if err := checkExports(p.compiled); err != nil {
		return err
	}
	system := p.runtime.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(system)
	for name, f := range systemFunctions { // instead of the runtime's own
		four := slices.Repeat([]api.ValueType{api.ValueTypeI32}, 4)
		system.NewFunctionBuilder().WithGoModuleFunction(systemFunction(f), four, four[:1]).Export(name)
	}
	if _, err := system.Instantiate(ctx); err != nil {
		return err
	}
	more := p.runtime.NewHostModuleBuilder(fuelName)
	more.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(refill), nil, nil).Export("")
	if _, err := more.Instantiate(ctx); err != nil {
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
		case fuelName: // the meter's
			continue
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
	if _, ok := module.ExportedMemories()["memory"]; !ok {
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

// A guest gets its fuel in pieces, of half a millisecond of the engine's code or
// a tenth of a second of the slowest that was found. All of it lasts about half a second.
const (
	fuelPiece = 2e6
	fuelTotal = 2e9
)

// instance is a running engine. Its methods are called by one goroutine at a
// time.
type instance struct {
	module   api.Module
	ctx      context.Context // carries the instance itself
	step     api.Function
	fuel     api.MutableGlobal
	left     int64 // of the fuel for the present call, what the guest has not got
	stack    [2]uint64
	memory   *mappedMemory
	began    uint32 // pages of linear memory that it had when it was started
	imports  importer
	args     args
	stderr   bounded
	patience time.Duration // for one call into the guest
	deadline time.Time     // of the present call
}

// importer does what the guest's imports ask for.
type importer interface {
	call(n int, a *args) wasi.Errno
}

type instanceKey struct{}

var errHung = errors.New("the engine hung and was stopped")

// instantiate makes an instance whose imports are answered by imports, and
// checks its ABI version. No call into it takes much longer than patience. The
// engine is not yet started.
func (p *program) instantiate(imports importer, patience time.Duration) (*instance, error) {
	i := &instance{imports: imports, patience: patience}
	i.deadline, i.left = time.Now().Add(patience), fuelTotal-fuelPiece
	i.ctx = context.WithValue(context.Background(), instanceKey{}, i)
	var err error
	if i.memory, err = mapMemory(p.memory); err != nil {
		return nil, fmt.Errorf("there is no memory for an instance: %w", err)
	}
	i.module, err = p.runtime.InstantiateModule(withMappedMemory(i.ctx, i.memory), p.compiled, i.moduleConfig())
	if err != nil {
		i.memory.Free()
		return nil, fmt.Errorf("the module does not start: %s", firstLine(err))
	}
	i.step = i.module.ExportedFunction("ftp_step")
	i.fuel = i.module.ExportedGlobal(fuelName).(api.MutableGlobal)
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

// sinceBegan is a monotonic clock in ns that never shows 0: Go's runtime takes that
// for a broken one, and Windows' clock stands still for milliseconds.
func sinceBegan(began time.Time) int64 { return max(1, int64(time.Since(began))) }

// moduleConfig gives the guest's runtime a real clock and real randomness, which
// wazero's own defaults are not.
func (i *instance) moduleConfig() wazero.ModuleConfig {
	wall := func() (sec int64, nsec int32) {
		i.checkDeadline()
		now := time.Now()
		return now.Unix(), int32(now.Nanosecond())
	}
	began := time.Now()
	monotonic := func() int64 {
		i.checkDeadline()
		return sinceBegan(began)
	}
	sleep := func(ns int64) {
		i.checkDeadline()
		time.Sleep(min(time.Duration(ns), maxSleep))
	}
	random := readerFunc(func(p []byte) (int, error) {
		i.checkDeadline()
		if len(p) > maxRandom {
			return 0, wasi.EINVAL
		}
		return rand.Read(p)
	})
	return wazero.NewModuleConfig().WithName("").WithStartFunctions().WithStderr(&i.stderr).
		WithWalltime(wall, 1).WithNanotime(monotonic, 1).WithNanosleep(sleep).WithOsyield(i.checkDeadline).WithRandSource(random)
}

// start starts the engine. The guest fetches the configuration by an import.
func (i *instance) start(configSize int) error {
	errno, err := i.run("ftp_start", uint64(configSize))
	if err == nil && errno != 0 {
		err = fmt.Errorf("the engine refused its configuration: %w", wasi.Errno(errno))
	}
	i.began = i.pages()
	return err
}

func (i *instance) pages() uint32 {
	n, _ := i.module.Memory().Grow(0)
	return n
}

// maxGrown is how many bytes of linear memory more than at its start an instance may
// keep. WebAssembly has no way to give any back.
const maxGrown = 16 << 20

// large reports whether the instance should be replaced once nobody needs it.
func (i *instance) large() bool { return i.pages()-i.began > maxGrown>>16 }

func (i *instance) run(export string, params ...uint64) (uint64, error) {
	i.supply()
	results, err := i.module.ExportedFunction(export).Call(i.ctx, params...)
	if err != nil {
		return 0, i.trapped(export, err)
	}
	if len(results) == 0 {
		return 0, nil
	}
	return results[0], nil
}

// supply gives the guest the fuel and the time for one call.
func (i *instance) supply() {
	i.deadline, i.left = time.Now().Add(i.patience), fuelTotal-fuelPiece
	i.fuel.Set(fuelPiece)
}

// refill is what a guest calls that has burnt its piece. It may have burnt more.
func (i *instance) refill(module api.Module) {
	i.checkDeadline()
	fuel := module.ExportedGlobal(fuelName).(api.MutableGlobal)
	if i.left += int64(fuel.Get()) - fuelPiece; i.left < 0 {
		panic(errHung)
	}
	fuel.Set(fuelPiece)
}

// advance is one step of the engine; next is when it wants another even without
// events, in ns since 1970, 0 for never.
func (i *instance) advance(now int64, events int) (next int64, err error) {
	i.supply()
	i.stack = [2]uint64{uint64(now), uint64(uint32(events))}
	if err := i.step.CallWithStack(i.ctx, i.stack[:]); err != nil {
		return 0, i.trapped("ftp_step", err)
	}
	return int64(i.stack[0]), nil
}

// trapped says how a call into the guest failed, in one line, with the first
// line that the guest printed about it.
func (i *instance) trapped(export string, err error) error {
	if errors.Is(err, errHung) {
		return fmt.Errorf("%s: %w", export, errHung)
	}
	line := firstLine(err)
	if printed, _, _ := bytes.Cut(i.stderr.text, []byte("\n")); len(printed) > 0 {
		line += ": " + string(printed)
	}
	return fmt.Errorf("%s: %s", export, line)
}

// firstLine leaves out the guest's stack.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func (i *instance) close() {
	i.module.Close(context.Background())
	i.memory.Free()
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

// refill is the import that a metered module gets.
func refill(ctx context.Context, module api.Module, _ []uint64) {
	ctx.Value(instanceKey{}).(*instance).refill(module)
}

// systemFunction is a function of WASI as the runtime calls it.
func systemFunction(f func(*instance, []byte, [4]uint32) wasi.Errno) api.GoModuleFunc {
	return func(ctx context.Context, module api.Module, stack []uint64) {
		i := ctx.Value(instanceKey{}).(*instance)
		memory, _ := module.Memory().Read(0, module.Memory().Size())
		stack[0] = uint64(f(i, memory, [4]uint32{uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])}))
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

// withMappedMemory makes an instance keep its linear memory outside Go's heap,
// where the platform can.
func withMappedMemory(ctx context.Context, memory *mappedMemory) context.Context {
	if !mapsMemory {
		return ctx
	}
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(
		func(uint64, uint64) experimental.LinearMemory { return memory }))
}
