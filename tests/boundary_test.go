package tests

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"wasiftp/host"
	"wasiftp/wasi"
)

// surface is a module's imports and exports, in lines like
// "import ftphost.net_read (i32 i32 i32 i32) (i32)" and "export memory".
type surface struct{ imports, exports []string }

// moduleReader reads the binary format of WebAssembly. It panics if the module is not
// valid, but all modules here have been compiled before.
type moduleReader struct{ rest []byte }

func (r *moduleReader) number() int {
	v, n := binary.Uvarint(r.rest)
	r.rest = r.rest[n:]
	return int(v)
}

func (r *moduleReader) bytes(n int) []byte {
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *moduleReader) name() string { return string(r.bytes(r.number())) }

func (r *moduleReader) types() string {
	var names []string
	for _, b := range r.bytes(r.number()) {
		names = append(names, map[byte]string{0x7f: "i32", 0x7e: "i64", 0x7d: "f32", 0x7c: "f64"}[b])
	}
	return "(" + strings.Join(names, " ") + ")"
}

// surfaceOf reads the sections for types (1), imports (2), functions (3) and
// exports (7).
func surfaceOf(module []byte) (s surface) {
	var types []string
	var functions []int // the type of each
	file := moduleReader{module[8:]}
	for len(file.rest) > 0 {
		id := file.bytes(1)[0]
		section := moduleReader{file.bytes(file.number())}
		switch id {
		case 1:
			for range section.number() {
				section.bytes(1)
				params := section.types()
				types = append(types, params+" "+section.types())
			}
		case 2:
			for range section.number() {
				name := section.name() + "." + section.name()
				kind := section.bytes(1)[0]
				if kind != 0 {
					panic(fmt.Sprintf("%s is imported, and no function", name))
				}
				functions = append(functions, section.number())
				s.imports = append(s.imports, "import "+name+" "+types[functions[len(functions)-1]])
			}
		case 3:
			for range section.number() {
				functions = append(functions, section.number())
			}
		case 7:
			for range section.number() {
				line := "export " + section.name()
				kind, index := section.bytes(1)[0], section.number()
				switch kind {
				case 0:
					line += " " + types[functions[index]]
				case 2: // a memory
				default:
					line += fmt.Sprintf(" of kind %d", kind)
				}
				s.exports = append(s.exports, line)
			}
		}
	}
	slices.Sort(s.imports)
	slices.Sort(s.exports)
	return s
}

var update = flag.Bool("update", false, "write the files that the tests compare with")

// The engine imports and exports what the golden list names, and nothing else.
func TestBoundaryIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	const name = "testdata/abi.golden"
	s := surfaceOf(host.Module())
	got := strings.Join(append(s.imports, s.exports...), "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(got), 0o644))
	}
	golden, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, string(golden), got)
}

// The engine imports every function of the table, with its signature, and the ten
// functions of WASI that Go's runtime needs.
func TestBoundaryIsTheTable(t *testing.T) {
	t.Parallel()
	var table []string
	for _, i := range wasi.Table {
		table = append(table, fmt.Sprintf("import %s.%s (%s) (i32)", wasi.Namespace, i.Name, strings.Join(i.ValueTypes(), " ")))
	}
	slices.Sort(table)
	var ours, runtime []string
	for _, line := range surfaceOf(host.Module()).imports {
		if strings.HasPrefix(line, "import "+wasi.Namespace+".") {
			ours = append(ours, line)
		} else {
			runtime = append(runtime, line)
		}
	}
	assert.Equal(t, table, ours)
	assert.Len(t, runtime, 10)
}

// ABI.md names every function of WASI that the module imports.
func TestBoundaryOfTheRuntimeIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../wasi/ABI.md")
	require.NoError(t, err)
	for _, line := range surfaceOf(host.Module()).imports {
		if name, ok := strings.CutPrefix(line, "import wasi_snapshot_preview1."); ok {
			name, _, _ = strings.Cut(name, " ")
			assert.Contains(t, string(text), "`"+name+"`")
		}
	}
}

// ABI.md says which features of WebAssembly the module needs: these, and no others.
func TestBoundaryNeedsTheDocumentedFeatures(t *testing.T) {
	t.Parallel()
	const mutable = api.CoreFeatureMutableGlobal // of 1.0
	need := []api.CoreFeatures{api.CoreFeatureBulkMemoryOperations, api.CoreFeatureSignExtensionOps,
		api.CoreFeatureNonTrappingFloatToIntConversion}
	compile := func(features api.CoreFeatures) error {
		runtime := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features))
		defer runtime.Close(t.Context())
		_, err := runtime.CompileModule(t.Context(), host.Module())
		return err
	}
	all := mutable
	for _, f := range need {
		all |= f
	}
	require.NoError(t, compile(all), "it needs more than ABI.md says")
	for _, f := range need {
		assert.Error(t, compile(all&^f), "it does not need %v, which ABI.md says", f)
	}
}

// The module exports the functions of wasi.Exports, and its memory.
func TestBoundaryExports(t *testing.T) {
	t.Parallel()
	want := []string{"export memory"}
	for _, e := range wasi.Exports {
		want = append(want, fmt.Sprintf("export %s (%s) (%s)", e.Name, strings.Join(e.Params, " "), e.Result))
	}
	slices.Sort(want)
	assert.Equal(t, want, surfaceOf(host.Module()).exports)
}

// wasi/abi.txt names every import.
func TestBoundaryInPlainText(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../wasi/abi.txt")
	require.NoError(t, err)
	for _, i := range wasi.Table {
		assert.True(t, bytes.Contains(text, []byte("\nimport "+wasi.Namespace+"."+i.Name+"(")), "abi.txt does not have %s", i.Name)
	}
}

// The host accepts the embedded engine.
func TestBoundaryOfTheModuleBuiltIn(t *testing.T) {
	t.Parallel()
	info, err := host.Inspect(host.Module())
	require.NoError(t, err)
	assert.Equal(t, wasi.ABIVersion, info.ABIVersion)
	assert.Equal(t, len(host.Module()), info.Size)
	assert.Len(t, info.SHA256, 64)
}
