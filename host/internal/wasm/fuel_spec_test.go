package wasm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// Parts of the errors with which the meter may refuse a module that the runtime takes.
var limits = []string{
	"cannot be metered", "exports nothing", "something that is no function", "tables are larger", "unknown type", "no function type",
}

// Metering changes nothing: of every module that comes with the runtime, among them
// WebAssembly's own test suite, the meter takes those that the runtime takes, and the
// metered module does the same.
func TestFuelForTheSpecification(t *testing.T) {
	t.Parallel()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatal(err)
	}
	roots := []string{strings.TrimSpace(string(dir)), ".."}
	seen := 0
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".wasm" {
				return err
			}
			seen++
			module, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if fault := comparedWithRuntime(module); fault != "" {
				t.Errorf("%s: %s", path, fault)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 1000 {
		t.Errorf("only %d modules were found", seen)
	}
}

// comparedWithRuntime says how the metered module differs, "" if it doesn't.
func comparedWithRuntime(module []byte) string {
	ctx := context.Background()
	plain := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(1024))
	defer plain.Close(ctx)
	fuelled := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(1024))
	defer fuelled.Close(ctx)
	before, refused := plain.CompileModule(ctx, module)
	with, err := metered(module, 1000)
	if err != nil {
		known := slices.ContainsFunc(limits, func(limit string) bool { return strings.Contains(err.Error(), limit) })
		if refused == nil && !known {
			return "refused: " + err.Error()
		}
		return ""
	}
	after, err := fuelled.CompileModule(ctx, with)
	switch {
	case (err == nil) != (refused == nil):
		return fmt.Sprintf("without fuel %v, and with it %v", refused, err)
	case err != nil || len(before.ImportedFunctions()) > 0:
		return ""
	}
	refills := 0
	refill := func(_ context.Context, m api.Module, _ []uint64) {
		if refills++; refills > 1000 {
			panic(ErrHung)
		}
		m.ExportedGlobal(fuelName).(api.MutableGlobal).Set(1000)
	}
	fuelled.NewHostModuleBuilder(fuelName).NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(refill), nil,
		nil).Export("").Instantiate(ctx)
	config := wazero.NewModuleConfig().WithStartFunctions().WithName("")
	a, errA := plain.InstantiateModule(ctx, before, config)
	b, errB := fuelled.InstantiateModule(ctx, after, config)
	if outcome(errA) != outcome(errB) {
		return fmt.Sprintf("started without fuel %v, and with it %v", errA, errB)
	}
	if errA != nil {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(before.ExportedFunctions())) {
		if slices.ContainsFunc(before.ExportedFunctions()[name].ResultTypes(), isReference) {
			continue // the result is a pointer
		}
		args := slices.Repeat([]uint64{1}, len(before.ExportedFunctions()[name].ParamTypes()))
		refills = 0
		got, errB := b.ExportedFunction(name).Call(ctx, args...)
		if errors.Is(errB, ErrHung) {
			continue // it may loop for ever
		}
		want, errA := a.ExportedFunction(name).Call(ctx, args...)
		if outcome(errA) != outcome(errB) || !slices.Equal(got, want) {
			return fmt.Sprintf("%s gives %v, %v without fuel, and %v, %v with it", name, want, errA, got, errB)
		}
	}
	return ""
}

func isReference(v api.ValueType) bool { return v == 0x70 || v == api.ValueTypeExternref }

var functionNumber = regexp.MustCompile(`\[\d+\]`)

// outcome is an error's first line without indices of functions, which metering changes.
func outcome(err error) string {
	if err == nil {
		return ""
	}
	return functionNumber.ReplaceAllString(firstLine(err), "")
}
