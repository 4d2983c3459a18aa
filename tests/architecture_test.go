package tests

import (
	"go/parser"
	"go/token"
	"go/version"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// source is a Go file of this repository and its imports, whatever its build constraints.
type source struct {
	file    string // relative to the repository, with slashes
	imports []string
}

func (s source) folder() string { return path.Dir(s.file) }
func (s source) isTest() bool   { return strings.HasSuffix(s.file, "_test.go") }

// sources parses all Go files of this repository.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	root := os.DirFS("..")
	require.NoError(t, fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", name), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		s := source{file: name}
		for _, i := range parsed.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, imported)
		}
		all = append(all, s)
		return nil
	}))
	return all
}

// floors are the top folders of programs, and for each the others that it may import.
// Host and module never import each other. The boundary imports nothing of ours; storages
// import the boundary.
var floors = map[string][]string{
	"cmd":      {"host", "module", "fsbridge"},
	"host":     {"wasi", "fsbridge"},
	"module":   {"wasi", "fsbridge"},
	"wasi":     nil,
	"fsbridge": {"wasi"},
}

// arrows list, for some packages, all of our packages that they may import: fewer than
// their floor may.
var arrows = map[string][]string{
	"cmd/wasiftpd": {
		"cmd/wasiftpd/admin", "cmd/wasiftpd/doctor", "host", "host/bans", "host/bans/banstore", "host/events", "host/metrics",
		"host/quota", "host/turns", "module", "fsbridge",
	},
	"cmd/wasiftpd/admin":     {"host", "host/bans"},
	"cmd/wasiftpd/doctor":    nil,
	"host/bans":              nil,
	"host/bans/banstore":     {"host/bans", "host/internal/database"},
	"host/events":            {"host", "host/internal/database"},
	"host/metrics":           {"host", "host/bans"},
	"host/turns":             nil,
	"host/wasmtest":          {"wasi"},
	"host/internal/charset":  nil,
	"host/internal/database": nil,
	"host/internal/conn":     {"wasi", "wasi/errno"},
	"host/internal/wasm":     {"wasi"},
	"module":                 nil,
	"module/ftp":             {"wasi", "wasi/ascii"},
	"module/ftp/ftptest":     {"module/ftp", "wasi", "wasi/digest"},
	"module/ftphost":         {"module/ftp", "wasi"},
	"module/standalone":      {"module/ftp", "fsbridge", "wasi", "wasi/digest", "wasi/errno"},
	"module/wasip1":          {"module/ftp", "module/standalone"},
	"module/wasip2":          {"module/ftp", "module/standalone"},
	"module/wamr":            {"module/ftp", "module/standalone"},
	"wasi":                   nil,
	"fsbridge":               {"wasi"},
}

func TestArchitectureArrows(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range sources(t) {
		floor, _, _ := strings.Cut(s.folder(), "/")
		if s.isTest() || floor == "tests" {
			continue
		}
		others, known := floors[floor]
		assert.True(t, known, "%s is on a floor that no arrow speaks of", s.file)
		may, bound := arrows[s.folder()]
		seen[s.folder()] = true
		for _, i := range s.imports {
			ours, is := strings.CutPrefix(i, "wasiftp/")
			to, _, _ := strings.Cut(ours, "/")
			switch {
			case !is:
			case to != floor && !slices.Contains(others, to):
				t.Errorf("%s imports %s; %s may import %q of ours", s.file, i, floor, others)
			case bound && !slices.Contains(may, ours):
				t.Errorf("%s imports %s; it may import %q of ours", s.file, i, may)
			}
		}
	}
	// A package that is renamed must not leave its rule behind.
	for folder := range arrows {
		assert.True(t, seen[folder], "there is no %s", folder)
	}
}

// engineImports are all that the engine and package wasi may import: nothing that reaches
// a system or a clock, and nothing that brings Go's reflection into the guest. Package
// runtime is there to yield: nothing else lets the guest's collector run.
var engineImports = []string{"bytes", "cmp", "encoding/binary", "errors", "math", "math/bits", "net/netip", "runtime",
	"slices", "strconv", "strings", "unicode/utf8", "wasiftp/wasi", "wasiftp/wasi/ascii"}

func TestArchitectureEngineTouchesNothing(t *testing.T) {
	t.Parallel()
	files := 0
	for _, s := range sources(t) {
		if s.isTest() || s.folder() != "module/ftp" && s.folder() != "wasi" {
			continue
		}
		files++
		for _, i := range s.imports {
			assert.Contains(t, engineImports, i, "%s imports it", s.file)
		}
	}
	assert.NotZero(t, files, "there is no engine")
}

// The runtime that runs the module is named in one package, so that it can change. The library
// for metrics is named in one of the host, so that embedders need not link it.
func TestArchitectureFewPackagesNameEach(t *testing.T) {
	t.Parallel()
	for library, folders := range map[string][]string{
		"github.com/tetratelabs/wazero": {"host/internal/wasm"}, "github.com/prometheus/": {"host/metrics", "cmd/wasiftpd"},
	} {
		for _, s := range sources(t) {
			names := slices.ContainsFunc(s.imports, func(i string) bool { return strings.HasPrefix(i, library) })
			if names && !slices.Contains(folders, s.folder()) && !strings.HasPrefix(s.folder(), "tests") && !s.isTest() {
				t.Errorf("%s names %s", s.file, library)
			}
		}
	}
}

// What an embedder links who imports only host has no library for metrics in it, by whatever way.
func TestArchitectureHostLinksNoPrometheus(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "wasiftp/host").Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "wasiftp/wasi\n")
	assert.NotContains(t, string(out), "github.com/prometheus/")
}

// Libraries that only tests use must not get into what is shipped.
func TestArchitectureTestLibraries(t *testing.T) {
	t.Parallel()
	libraries := []string{"github.com/stretchr/", "github.com/hanwen/", "gonum.org/", "github.com/grafana/"}
	for _, s := range sources(t) {
		shipped := !s.isTest() && !strings.HasPrefix(s.folder(), "tests") && s.folder() != "fsbridge/fscontract" &&
			s.folder() != "module/ftp/ftptest"
		for _, i := range s.imports {
			if shipped && (i == "testing" || slices.ContainsFunc(libraries, func(l string) bool { return strings.HasPrefix(i, l) })) {
				t.Errorf("%s imports %s", s.file, i)
			}
		}
	}
}

// TestGoRelease: os.Root keeps names inside an account's folder, but let some out before
// Go 1.26.5. A build with an older release must not be possible.
func TestGoRelease(t *testing.T) {
	t.Parallel()
	const sound = "go1.26.5"
	content, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	match := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(content)
	require.NotNil(t, match, "go.mod names no release")
	assert.GreaterOrEqual(t, version.Compare("go"+string(match[1]), sound), 0, "go.mod says go %s", match[1])
	assert.GreaterOrEqual(t, version.Compare(runtime.Version(), sound), 0, "this is %s", runtime.Version())
}
