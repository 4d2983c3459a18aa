package host

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"slices"

	"wasiftp/host/internal/wasm"
)

// Version is the version of this library and of the program, as in CHANGELOG.md.
const Version = "v0.1.0"

//go:embed wasiftp.wasm
var embedded []byte

// Module returns a copy of the engine built into this package, a WebAssembly module.
func Module() []byte { return slices.Clone(embedded) }

// compile compiles the engine of the configuration, and lets go of it.
func compile(config *Config) (*wasm.Program, error) {
	module := config.Module
	config.Module = nil
	return wasm.Compile(module, wasm.Options{
		Memory: config.Limits.MemoryPerInstance, CacheDir: config.CacheDir, Logger: config.Logger,
	})
}

// ModuleInfo describes an engine. See [Inspect].
type ModuleInfo struct {
	SHA256     string // hash of the module's bytes, in hexadecimal
	ABIVersion int
	Size       int // in bytes
}

// Inspect describes a module. If this package cannot run it, the error says why in one
// sentence. Inspect runs the module's own start-up code.
func Inspect(module []byte) (ModuleInfo, error) {
	version, err := wasm.Check(module, minMemory)
	if err != nil {
		return ModuleInfo{}, err
	}
	sum := sha256.Sum256(module)
	return ModuleInfo{SHA256: hex.EncodeToString(sum[:]), ABIVersion: version, Size: len(module)}, nil
}
