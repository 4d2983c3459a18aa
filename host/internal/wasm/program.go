// Package wasm runs the engine: it compiles a module, makes instances of it, bounds their
// time and memory, and hands their imports to an [Importer]. No other package imports the
// WebAssembly runtime; this one knows nothing of sessions.
package wasm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"wasiftp/wasi"
)

// runtimeFunctions are the functions of WASI that a guest may import, because Go's runtime
// does. They give it time, randomness, an empty environment and standard error, but no
// files and no sockets.
var runtimeFunctions = []string{
	"args_get", "args_sizes_get", "clock_time_get", "environ_get", "environ_sizes_get",
	"fd_write", "poll_oneoff", "proc_exit", "random_get", "sched_yield",
}

// Program is a compiled engine, from which instances are made.
type Program struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	cache    wazero.CompilationCache // nil for none
	memory   uint64                  // bytes that an instance may have
	image    *image
}

// Options say how a program is compiled.
type Options struct {
	Memory   int64        // bytes that an instance may have, whole pages of 64 KiB
	CacheDir string       // where compiled code is kept; "" for nowhere
	Logger   *slog.Logger // logs faults of the cache; may be nil without CacheDir
}

// Compile makes a program of a module. If the module is no engine for this host, the error
// says why in one sentence. Faults of the cache are no errors: Compile empties and refills
// the cache, and if that fails compiles without.
func Compile(module []byte, options Options) (*Program, error) {
	if options.CacheDir != "" {
		place := filepath.Join(options.CacheDir, "compiled")
		dir := filepath.Join(place, entryName(module))
		p, err := compileCached(module, options, dir)
		if err != nil {
			options.Logger.Warn("the cache of compiled code can't be used and is made anew", "dir", place, "err", err)
			if err = os.RemoveAll(place); err == nil {
				p, err = compileCached(module, options, dir)
			}
		}
		if err == nil {
			return p, nil
		}
		options.Logger.Warn("compiling without the cache", "dir", place, "err", err)
	}
	return compileNew(wazero.NewRuntimeConfig(), module, options.Memory)
}

// Check makes an instance of a module, with so many bytes of memory, and returns its ABI version
// or the error. It interprets the module's _initialize, compiles nothing, and does not start the
// engine.
func Check(module []byte, memory int64) (version int, err error) {
	p, err := compileNew(wazero.NewRuntimeConfigInterpreter(), module, memory)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	i, err := p.Instantiate(nil, time.Minute)
	if err != nil {
		return 0, err
	}
	i.Close()
	return int(i.version), nil
}

// compileCached makes a program by the entry of the cache in dir, which it makes if there is
// none.
func compileCached(module []byte, options Options, dir string) (*Program, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := dropDamaged(dir, options.Logger); err != nil {
		return nil, err
	}
	p, err := loadEntry(dir, options.Memory)
	if errors.Is(err, errIncomplete) {
		if err = makeEntry(dir, module); err == nil {
			p, err = loadEntry(dir, options.Memory)
		}
	}
	return p, err
}

// compileNew makes a program without a cache.
func compileNew(config wazero.RuntimeConfig, module []byte, memory int64) (*Program, error) {
	module, err := metered(module, fuelPiece)
	if err != nil {
		return nil, err
	}
	module, content := separated(module)
	return newProgram(config, module, content, memory)
}

// newProgram makes a program of what separated returns.
func newProgram(config wazero.RuntimeConfig, module, content []byte, memory int64) (*Program, error) {
	ctx := context.Background()
	p := &Program{
		runtime: wazero.NewRuntimeWithConfig(ctx, config.WithMemoryLimitPages(uint32(memory>>16))), memory: uint64(memory),
		image: newImage(content),
	}
	if err := p.prepare(ctx, module); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Program) prepare(ctx context.Context, module []byte) (err error) {
	if p.compiled, err = p.runtime.CompileModule(ctx, module); err != nil {
		return notValid(err)
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

// notValid is the runtime's error for a module, in one sentence.
func notValid(err error) error {
	return fmt.Errorf("the module is no valid WebAssembly: %s", firstLine(err))
}

// Close ends all instances and gives up the compiled code.
func (p *Program) Close() {
	ctx := context.Background()
	p.runtime.Close(ctx)
	p.image.close()
	if p.cache != nil {
		p.cache.Close(ctx)
	}
}

// signature gives an import's signature in WebAssembly's types.
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
		case fuelName: // added by the meter
			continue
		case wasi_snapshot_preview1.ModuleName:
			if slices.Contains(runtimeFunctions, name) {
				continue
			}
		case wasi.Namespace:
			if at := slices.IndexFunc(wasi.Table[:], func(i wasi.Import) bool { return i.Name == name }); at >= 0 {
				params, results := signature(wasi.Table[at])
				if !slices.Equal(params, f.ParamTypes()) || !slices.Equal(results, f.ResultTypes()) {
					return fmt.Errorf("the module imports %s.%s with another signature than ABI version %d has", namespace, name,
						wasi.ABIVersion)
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
