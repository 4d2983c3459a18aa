package hostile

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"wasiftp/host"
	"wasiftp/tests/hostile/binary"
	"wasiftp/wasi"
)

// Functions of a module made by hand.
const (
	initialize = iota
	abiVersion
	ftpStart
	ftpStep
)

var valueType = map[string]byte{"i32": binary.I32, "i64": binary.I64}

// handmade is an engine that does nothing at all. Its functions are in the order
// of the constants above.
func handmade() binary.Module {
	m := binary.Module{Memory: 1, MemoryName: "memory"}
	for _, e := range wasi.Exports {
		f := binary.Function{Export: e.Name}
		for _, p := range e.Params {
			f.Params = append(f.Params, valueType[p])
		}
		if e.Result != "" {
			f.Results = []byte{valueType[e.Result]}
		}
		m.Functions = append(m.Functions, f)
	}
	m.Functions[abiVersion].Body = binary.Const32(wasi.ABIVersion)
	m.Functions[ftpStart].Body = binary.Const32(0)
	m.Functions[ftpStep].Body = binary.Const64(0)
	return m
}

func TestHandmadeModuleIsAnEngine(t *testing.T) {
	t.Parallel()
	info, err := host.Inspect(handmade().Encode())
	if err != nil || info.ABIVersion != wasi.ABIVersion {
		t.Errorf("Inspect: %+v, %v", info, err)
	}
	if conn := newStage(t, handmade().Encode(), nil).connect(); conn == nil {
		t.Error("nobody listens")
	}
}

func TestThreat31RefusedModules(t *testing.T) {
	t.Parallel()
	change := func(change func(m *binary.Module)) []byte {
		m := handmade()
		change(&m)
		return m.Encode()
	}
	imports := func(namespace, name string, s binary.Signature) []byte {
		return change(func(m *binary.Module) { m.Imports = []binary.Import{{Namespace: namespace, Name: name, Signature: s}} })
	}
	one := binary.Signature{Params: []byte{binary.I32}, Results: []byte{binary.I32}}
	pathOpen := binary.Signature{Params: slices.Concat(slices.Repeat([]byte{binary.I32}, 5), []byte{binary.I64, binary.I64, binary.I32, binary.I32}), Results: []byte{binary.I32}}
	good := handmade().Encode()
	for _, c := range []struct {
		name   string
		module []byte
		says   string
	}{
		{"empty", []byte{}, ""},
		{"text", []byte("#!/bin/sh\nexit 1\n"), ""},
		{"ELF", []byte("\x7fELF\x02\x01\x01\x00\x00\x00"), ""},
		{"header only", good[:8], ""},
		{"a component", []byte("\x00asm\x0d\x00\x01\x00"), ""},
		{"cut short", good[:len(good)-5], ""},
		{"longer than it is", append(slices.Clone(good), 10, 1), ""},
		{"code twice", append(slices.Clone(good), good[len(good)-20:]...), ""},
		{"no exports", change(func(m *binary.Module) { m.Functions, m.MemoryName = nil, "" }), ""},
		{"no memory", change(func(m *binary.Module) { m.MemoryName = "" }), "memory"},
		{"memory by another name", change(func(m *binary.Module) { m.MemoryName = "heap" }), "memory"},
		{"no ftp_step", change(func(m *binary.Module) { m.Functions[ftpStep].Export = "step" }), "ftp_step"},
		{"no ftp_abi_version", change(func(m *binary.Module) { m.Functions[abiVersion].Export = "" }), "ftp_abi_version"},
		{"a command", change(func(m *binary.Module) { m.Functions[initialize].Export = "_start" }), "_initialize"},
		{"ftp_start with another signature", change(func(m *binary.Module) { m.Functions[ftpStart].Params = nil }), "ftp_start"},
		{"ABI of tomorrow", change(func(m *binary.Module) { m.Functions[abiVersion].Body = binary.Const32(wasi.ABIVersion + 1) }), "ABI version"},
		{"ABI 0", change(func(m *binary.Module) { m.Functions[abiVersion].Body = binary.Const32(0) }), "ABI version"},
		{"ABI -1", change(func(m *binary.Module) { m.Functions[abiVersion].Body = binary.Const32(-1) }), "ABI version"},
		{"a file of WASI", imports("wasi_snapshot_preview1", "path_open", pathOpen), "path_open"},
		{"a socket of WASI", imports("wasi_snapshot_preview1", "sock_accept", one), "sock_accept"},
		{"WASI with another signature", imports("wasi_snapshot_preview1", "random_get", one), "random_get"},
		{"an unknown import", imports("ftphost", "shell_run", one), "shell_run"},
		{"an unknown namespace", imports("env", "net_read", one), "net_read"},
		{"an import with another signature", imports("ftphost", "net_read", one), "net_read"},
		{"memory of the host", change(func(m *binary.Module) { m.ImportMemory, m.Memory = true, -1 }), ""},
		{"more memory than there is", change(func(m *binary.Module) { m.Memory = 65536 }), ""},
		{"a table of a million", change(func(m *binary.Module) { m.Table = 1<<27 - 1 }), "table"},
		{"a table that grows", change(func(m *binary.Module) {
			m.Table, m.Functions[ftpStep].Body = 1, binary.Body(binary.GrowTable(1<<30), binary.Drop, binary.Const64(0))
		}), "cannot be metered"},
		{"nonsense for code", change(func(m *binary.Module) { m.Functions[ftpStep].Body = []byte{0xff} }), ""},
		{"code of another type", change(func(m *binary.Module) { m.Functions[ftpStep].Body = binary.Const32(0) }), ""},
		{"traps at once", change(func(m *binary.Module) {
			m.Start = initialize + 1
			m.Functions[1], m.Functions[0] = trapping(m.Functions[0]), m.Functions[1]
		}), ""},
		{"traps in _initialize", change(func(m *binary.Module) { m.Functions[initialize] = trapping(m.Functions[initialize]) }), ""},
		{"traps in ftp_abi_version", change(func(m *binary.Module) { m.Functions[abiVersion].Body = binary.Unreachable }), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			leavesNothing(t)
			for _, try := range []func() error{
				func() error { return newAndClose(host.Config{Module: c.module}) },
				func() error { return newAndClose(host.Config{Module: c.module, CacheDir: t.TempDir()}) },
				func() error { _, err := host.Inspect(c.module); return err },
			} {
				if said := refused(t, try); !strings.Contains(said, c.says) {
					t.Errorf("%q says nothing of %s", said, c.says)
				}
			}
		})
	}
}

func trapping(f binary.Function) binary.Function {
	f.Body = binary.Unreachable
	return f
}

// A module that only ever loops is found out wherever it does, and however long the
// loop's body is.
func TestThreat38LoopsAtStart(t *testing.T) {
	t.Parallel()
	for _, f := range []int{initialize, abiVersion, ftpStart} {
		for name, loop := range map[string][]byte{
			"empty": binary.Forever(), "call": binary.Call(len(wasi.Exports)), "copy": binary.Forever(binary.CopyMemory(60000)),
			"long": binary.Forever(bytes.Repeat(binary.Store64(0, 1), 10_000)),
		} {
			t.Run(wasi.Exports[f].Name+" "+name, func(t *testing.T) {
				t.Parallel()
				leavesNothing(t)
				m := handmade()
				m.Functions = append(m.Functions, binary.Function{Body: binary.Call(len(wasi.Exports))}) // itself
				m.Functions[f].Body = binary.Body(loop, m.Functions[f].Body)
				refused(t, func() error { return newAndClose(host.Config{Module: m.Encode()}) })
			})
		}
	}
}

// What a guest has the host's system do is not metered, and so must be little.
func TestThreat31SystemCallsAtStart(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]int32{
		"fd_write":           {2, 0, 1 << 20, 8},
		"fd_write in pieces": {1, 0, 64, 8},
		"poll_oneoff":        {0, 1 << 23, 1 << 17, 8},
		"poll_oneoff of all": {0, 1 << 23, -1, 8},
		"random_get":         {0, 1 << 24},
		"sched_yield":        {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leavesNothing(t)
			m := handmade()
			m.Memory = 256
			s := binary.Signature{Params: slices.Repeat([]byte{binary.I32}, len(args)), Results: []byte{binary.I32}}
			function, _, _ := strings.Cut(name, " ")
			m.Imports = []binary.Import{{Namespace: "wasi_snapshot_preview1", Name: function, Signature: s}}
			var call []byte
			for _, a := range args {
				call = append(call, binary.Const32(a)...)
			}
			m.Functions[ftpStart].Body = binary.Body(binary.Forever(call, binary.Call(0), binary.Drop), binary.Const32(0))
			refused(t, func() error {
				return newAndClose(host.Config{Module: m.Encode(), Limits: host.Limits{StepTime: stepTime}})
			})
		})
	}
}

// signature is an import's, as the table has it.
func signature(i wasi.Import) binary.Signature {
	s := binary.Signature{Results: []byte{binary.I32}}
	for _, v := range i.ValueTypes() {
		s.Params = append(s.Params, valueType[v])
	}
	return s
}

// A trap comes right after each import, at a step and at the start, whatever the
// import was given.
func TestThreat31TrapsAtEveryImport(t *testing.T) {
	t.Parallel()
	for n, i := range wasi.Table {
		for _, value := range []int64{0, 64, -1} {
			t.Run(fmt.Sprintf("%s of %d", i.Name, value), func(t *testing.T) {
				t.Parallel()
				trapsAfter(t, n, value)
			})
		}
	}
}

func trapsAfter(t *testing.T, n int, value int64) {
	i := wasi.Table[n]
	m := handmade()
	m.Imports = []binary.Import{{Namespace: wasi.Namespace, Name: i.Name, Signature: signature(i)}}
	var call []byte
	for _, v := range m.Imports[0].Params {
		if v == binary.I64 {
			call = append(call, binary.Const64(value)...)
		} else {
			call = append(call, binary.Const32(int32(value))...)
		}
	}
	call = binary.Body(call, binary.Call(0), binary.Drop, binary.Unreachable)
	m.Functions[ftpStep].Body = call
	s := newStage(t, m.Encode(), func(c *host.Config) { c.CacheDir = "" })
	for range 2 {
		if rest, err := io.ReadAll(s.connect()); err != nil || !strings.HasPrefix(string(rest), "421 ") {
			t.Errorf("the session ends with %q, %v", rest, err)
		}
	}
	s.logs("wasm error: unreachable", 2)
	m.Functions[ftpStep].Body = binary.Const64(0)
	m.Functions[ftpStart].Body = call
	refused(t, func() error { return newAndClose(host.Config{Module: m.Encode()}) })
}
