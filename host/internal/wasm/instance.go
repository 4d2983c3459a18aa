package wasm

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"wasiftp/wasi"
)

// Fuel for one call into the guest. The guest gets it in pieces: a piece lasts half a
// millisecond in the engine's code, and a tenth of a second in the slowest code that was
// found. The total lasts about half a second.
const (
	fuelPiece = 2e6
	fuelTotal = 2e9
)

// Instance is a running engine. Its methods are called by one goroutine at a
// time.
type Instance struct {
	module   api.Module
	ctx      context.Context // carries the instance itself
	step     api.Function
	fuel     api.MutableGlobal
	left     int64 // fuel for the present call that the guest has not got yet
	burnt    int64 // fuel of the latest step
	stack    [2]uint64
	memory   *mappedMemory
	began    uint32 // pages of linear memory after Start
	version  uint32 // of the ABI
	imports  Importer
	args     Args
	stderr   bounded
	patience time.Duration // for one call into the guest
	deadline time.Time     // of the present call
}

// Importer is the host's side of the imports.
type Importer interface {
	// Call carries out import n of the table.
	Call(n int, a *Args) wasi.Errno
}

type instanceKey struct{}

// ErrHung is the error of a call into the guest that took too long.
var ErrHung = errors.New("the engine hung and was stopped")

// Instantiate makes an instance and checks its ABI version, but does not start the engine.
// Its imports call imports; with nil they fail with EBUSY. A call into the instance takes
// patience at most, or little more.
func (p *Program) Instantiate(imports Importer, patience time.Duration) (*Instance, error) {
	i := &Instance{imports: imports, patience: patience}
	i.deadline, i.left = time.Now().Add(patience), fuelTotal-fuelPiece
	i.ctx = context.WithValue(context.Background(), instanceKey{}, i)
	var err error
	if i.memory, err = mapMemory(p.memory); err != nil {
		return nil, fmt.Errorf("there is no memory for an instance: %w", err)
	}
	i.module, err = p.runtime.InstantiateModule(i.memory.within(i.ctx), p.compiled, i.moduleConfig())
	if err != nil {
		i.memory.Free()
		return nil, fmt.Errorf("the module does not start: %s", firstLine(err))
	}
	if err := p.image.fill(i.memory.of(i.module)); err != nil {
		i.Close()
		return nil, fmt.Errorf("there is no memory for an instance: %w", err)
	}
	i.step = i.module.ExportedFunction("ftp_step")
	i.fuel = i.module.ExportedGlobal(fuelName).(api.MutableGlobal)
	if _, err := i.run("_initialize"); err != nil {
		i.Close()
		return nil, fmt.Errorf("the module does not start: %w", err)
	}
	version, err := i.run("ftp_abi_version")
	if i.version = uint32(version); err == nil && (i.version < wasi.OldestABIVersion || i.version > wasi.ABIVersion) {
		err = fmt.Errorf("the module was built for ABI version %d; this host has %d", i.version, wasi.ABIVersion)
	}
	if err != nil {
		i.Close()
		return nil, err
	}
	return i, nil
}

// LearnsRights reports whether the guest knows [wasi.EventRights].
func (i *Instance) LearnsRights() bool { return i.version > wasi.OldestABIVersion }

// ReadsPrograms reports whether the guest knows that a [wasi.Who] has a Program.
func (i *Instance) ReadsPrograms() bool { return i.version >= 7 }

// sinceBegan is a monotonic clock in ns. It never shows 0, which Go's runtime takes for a
// broken clock; Windows' clock would show that for some milliseconds.
func sinceBegan(began time.Time) int64 { return max(1, int64(time.Since(began))) }

// moduleConfig gives the guest's runtime real clocks and real randomness; wazero's defaults
// are fakes.
func (i *Instance) moduleConfig() wazero.ModuleConfig {
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

// Start starts the engine, which fetches its configuration of configSize bytes by an
// import.
func (i *Instance) Start(configSize int) error {
	errno, err := i.run("ftp_start", uint64(configSize))
	if err == nil && errno != 0 {
		err = fmt.Errorf("the engine refused its configuration: %w", wasi.Errno(errno))
	}
	i.began = i.pages()
	return err
}

func (i *Instance) pages() uint32 {
	n, _ := i.module.Memory().Grow(0)
	return n
}

// maxGrown is by how many bytes an instance's linear memory may have grown since Start
// before it is Large. WebAssembly has no way to shrink it.
const maxGrown = 16 << 20

// Large reports whether the instance should be replaced once it has no sessions.
func (i *Instance) Large() bool { return i.pages()-i.began > maxGrown>>16 }

// Memory is the size of the instance's linear memory in bytes.
func (i *Instance) Memory() int64 { return int64(i.pages()) << 16 }

// Burnt is the fuel that the latest step has taken.
func (i *Instance) Burnt() int64 { return i.burnt }

func (i *Instance) run(export string, params ...uint64) (uint64, error) {
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
func (i *Instance) supply() {
	i.deadline, i.left = time.Now().Add(i.patience), fuelTotal-fuelPiece
	i.fuel.Set(fuelPiece)
}

// refill gives the guest its next piece of fuel. The present one may be overdrawn, which is
// taken off what is left.
func (i *Instance) refill(module api.Module) {
	i.checkDeadline()
	fuel := module.ExportedGlobal(fuelName).(api.MutableGlobal)
	if i.left += int64(fuel.Get()) - fuelPiece; i.left < 0 {
		panic(ErrHung)
	}
	fuel.Set(fuelPiece)
}

// Advance runs one step of the engine at the time now, with so many events waiting. The
// engine wants the next step at the time next even without events. Both times are in ns
// since 1970; next 0 means never.
func (i *Instance) Advance(now int64, events int) (next int64, err error) {
	i.supply()
	i.stack = [2]uint64{uint64(now), uint64(uint32(events))}
	err = i.step.CallWithStack(i.ctx, i.stack[:])
	i.burnt = fuelTotal - i.left - int64(i.fuel.Get())
	if err != nil {
		return 0, i.trapped("ftp_step", err)
	}
	return int64(i.stack[0]), nil
}

// trapped makes a one-line error of a failed call into the guest. It ends with the first
// line that the guest has printed.
func (i *Instance) trapped(export string, err error) error {
	if errors.Is(err, ErrHung) {
		return fmt.Errorf("%s: %w", export, ErrHung)
	}
	line := firstLine(err)
	if printed, _, _ := bytes.Cut(i.stderr.text, []byte("\n")); len(printed) > 0 {
		line += ": " + string(printed)
	}
	return fmt.Errorf("%s: %s", export, line)
}

// firstLine is an error's text without the guest's stack, which follows on further lines.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// Close ends the instance and gives up its memory.
func (i *Instance) Close() {
	i.module.Close(context.Background())
	i.memory.Free()
}
