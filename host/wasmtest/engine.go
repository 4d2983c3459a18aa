package wasmtest

import "wasiftp/wasi"

// The numbers of the functions of an [Engine].
const (
	Initialize = iota
	ABIVersion
	Start
	Step
)

// ValueTypes are the value types of WebAssembly by name.
var ValueTypes = map[string]byte{"i32": I32, "i64": I64}

// Engine is an engine that runs the instructions of step in each ftp_step, and nothing else.
// Its functions have the numbers above.
func Engine(step []byte) Module {
	m := Module{Memory: 1, MemoryName: "memory"}
	for _, e := range wasi.Exports {
		f := Function{Export: e.Name}
		for _, p := range e.Params {
			f.Params = append(f.Params, ValueTypes[p])
		}
		if e.Result != "" {
			f.Results = []byte{ValueTypes[e.Result]}
		}
		m.Functions = append(m.Functions, f)
	}
	m.Functions[ABIVersion].Body = Const32(wasi.ABIVersion)
	m.Functions[Start].Body = Const32(0)
	m.Functions[Step].Body = Body(step, Const64(0))
	return m
}
