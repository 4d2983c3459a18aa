package hostile

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"wasiftp/host"
	"wasiftp/host/wasmtest"
	"wasiftp/wasi"
)

// handmade is an engine that does nothing at all.
func handmade() wasmtest.Module { return wasmtest.Engine(nil) }

func TestHandmadeModuleIsAnEngine(t *testing.T) {
	t.Parallel()
	info, err := host.Inspect(handmade().Encode())
	if err != nil || info.ABIVersion != wasi.ABIVersion {
		t.Errorf("Inspect: %+v, %v", info, err)
	}
	older := handmade()
	older.Functions[wasmtest.ABIVersion].Body = wasmtest.Const32(wasi.OldestABIVersion)
	if info, err = host.Inspect(older.Encode()); err != nil || info.ABIVersion != wasi.OldestABIVersion {
		t.Errorf("Inspect of one of the oldest version: %+v, %v", info, err)
	}
	if conn := newStage(t, handmade().Encode(), nil).connect(); conn == nil {
		t.Error("nobody listens")
	}
}

func TestThreat31RefusedModules(t *testing.T) {
	t.Parallel()
	change := func(change func(m *wasmtest.Module)) []byte {
		m := handmade()
		change(&m)
		return m.Encode()
	}
	imports := func(namespace, name string, s wasmtest.Signature) []byte {
		return change(func(m *wasmtest.Module) {
			m.Imports = []wasmtest.Import{{Namespace: namespace, Name: name, Signature: s}}
		})
	}
	one := wasmtest.Signature{Params: []byte{wasmtest.I32}, Results: []byte{wasmtest.I32}}
	pathOpen := wasmtest.Signature{Params: slices.Concat(slices.Repeat([]byte{wasmtest.I32}, 5),
		[]byte{wasmtest.I64, wasmtest.I64, wasmtest.I32, wasmtest.I32}), Results: []byte{wasmtest.I32}}
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
		{"no exports", change(func(m *wasmtest.Module) { m.Functions, m.MemoryName = nil, "" }), ""},
		{"no memory", change(func(m *wasmtest.Module) { m.MemoryName = "" }), "memory"},
		{"memory by another name", change(func(m *wasmtest.Module) { m.MemoryName = "heap" }), "memory"},
		{"no ftp_step", change(func(m *wasmtest.Module) { m.Functions[wasmtest.Step].Export = "step" }), "ftp_step"},
		{"no ftp_abi_version", change(func(m *wasmtest.Module) { m.Functions[wasmtest.ABIVersion].Export = "" }), "ftp_abi_version"},
		{"a command", change(func(m *wasmtest.Module) { m.Functions[wasmtest.Initialize].Export = "_start" }), "_initialize"},
		{"ftp_start with another signature", change(func(m *wasmtest.Module) { m.Functions[wasmtest.Start].Params = nil }),
			"ftp_start"},
		{"ABI of tomorrow", change(func(m *wasmtest.Module) {
			m.Functions[wasmtest.ABIVersion].Body = wasmtest.Const32(wasi.ABIVersion + 1)
		}), "ABI version"},
		{"ABI 0", change(func(m *wasmtest.Module) { m.Functions[wasmtest.ABIVersion].Body = wasmtest.Const32(0) }), "ABI version"},
		{"ABI -1", change(func(m *wasmtest.Module) { m.Functions[wasmtest.ABIVersion].Body = wasmtest.Const32(-1) }), "ABI version"},
		{"a file of WASI", imports("wasi_snapshot_preview1", "path_open", pathOpen), "path_open"},
		{"a socket of WASI", imports("wasi_snapshot_preview1", "sock_accept", one), "sock_accept"},
		{"WASI with another signature", imports("wasi_snapshot_preview1", "random_get", one), "random_get"},
		{"an unknown import", imports("ftphost", "shell_run", one), "shell_run"},
		{"an unknown namespace", imports("env", "net_read", one), "net_read"},
		{"an import with another signature", imports("ftphost", "net_read", one), "net_read"},
		{"memory of the host", change(func(m *wasmtest.Module) { m.ImportMemory, m.Memory = true, -1 }), ""},
		{"more memory than there is", change(func(m *wasmtest.Module) { m.Memory = 65536 }), ""},
		{"a table of a million", change(func(m *wasmtest.Module) { m.Table = 1<<27 - 1 }), "table"},
		{"a table that grows", change(func(m *wasmtest.Module) {
			m.Table, m.Functions[wasmtest.Step].Body = 1, wasmtest.Body(wasmtest.GrowTable(1<<30), wasmtest.Drop, wasmtest.Const64(0))
		}), "cannot be metered"},
		{"nonsense for code", change(func(m *wasmtest.Module) { m.Functions[wasmtest.Step].Body = []byte{0xff} }), ""},
		{"code of another type", change(func(m *wasmtest.Module) { m.Functions[wasmtest.Step].Body = wasmtest.Const32(0) }), ""},
		{"traps at once", change(func(m *wasmtest.Module) {
			m.Start = wasmtest.Initialize + 1
			m.Functions[1], m.Functions[0] = trapping(m.Functions[0]), m.Functions[1]
		}), ""},
		{"traps in _initialize", change(func(m *wasmtest.Module) {
			m.Functions[wasmtest.Initialize] = trapping(m.Functions[wasmtest.Initialize])
		}), ""},
		{"traps in ftp_abi_version",
			change(func(m *wasmtest.Module) { m.Functions[wasmtest.ABIVersion].Body = wasmtest.Unreachable }), ""},
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

func trapping(f wasmtest.Function) wasmtest.Function {
	f.Body = wasmtest.Unreachable
	return f
}

// A module that loops without end is refused, whichever export loops, and however long
// the loop's body is.
func TestThreat38LoopsAtStart(t *testing.T) {
	t.Parallel()
	for _, f := range []int{wasmtest.Initialize, wasmtest.ABIVersion, wasmtest.Start} {
		for name, loop := range map[string][]byte{
			"empty": wasmtest.Forever(), "call": wasmtest.Call(len(wasi.Exports)), "copy": wasmtest.Forever(wasmtest.CopyMemory(60000)),
			"long": wasmtest.Forever(bytes.Repeat(wasmtest.Store64(0, 1), 10_000)),
		} {
			t.Run(wasi.Exports[f].Name+" "+name, func(t *testing.T) {
				t.Parallel()
				leavesNothing(t)
				m := handmade()
				m.Functions = append(m.Functions, wasmtest.Function{Body: wasmtest.Call(len(wasi.Exports))}) // itself
				m.Functions[f].Body = wasmtest.Body(loop, m.Functions[f].Body)
				refused(t, func() error { return newAndClose(host.Config{Module: m.Encode()}) })
			})
		}
	}
}

// The work of WASI's functions is not metered, so each call must do little.
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
			s := wasmtest.Signature{Params: slices.Repeat([]byte{wasmtest.I32}, len(args)), Results: []byte{wasmtest.I32}}
			function, _, _ := strings.Cut(name, " ")
			m.Imports = []wasmtest.Import{{Namespace: "wasi_snapshot_preview1", Name: function, Signature: s}}
			var call []byte
			for _, a := range args {
				call = append(call, wasmtest.Const32(a)...)
			}
			m.Functions[wasmtest.Start].Body = wasmtest.Body(wasmtest.Forever(call, wasmtest.Call(0), wasmtest.Drop), wasmtest.Const32(0))
			refused(t, func() error {
				return newAndClose(host.Config{Module: m.Encode(), Limits: host.Limits{StepTime: stepTime}})
			})
		})
	}
}

// signature is the signature of an import of the table.
func signature(i wasi.Import) wasmtest.Signature {
	s := wasmtest.Signature{Results: []byte{wasmtest.I32}}
	for _, v := range i.ValueTypes() {
		s.Params = append(s.Params, wasmtest.ValueTypes[v])
	}
	return s
}

// The guest traps right after each import, in a step and at the start, whatever the
// arguments of the import.
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
	m.Imports = []wasmtest.Import{{Namespace: wasi.Namespace, Name: i.Name, Signature: signature(i)}}
	var call []byte
	for _, v := range m.Imports[0].Params {
		if v == wasmtest.I64 {
			call = append(call, wasmtest.Const64(value)...)
		} else {
			call = append(call, wasmtest.Const32(int32(value))...)
		}
	}
	call = wasmtest.Body(call, wasmtest.Call(0), wasmtest.Drop, wasmtest.Unreachable)
	m.Functions[wasmtest.Step].Body = call
	s := newStage(t, m.Encode(), func(c *host.Config) { c.CacheDir = "" })
	for range 2 {
		if rest, err := io.ReadAll(s.connect()); err != nil || !strings.HasPrefix(string(rest), "421 ") {
			t.Errorf("the session ends with %q, %v", rest, err)
		}
	}
	s.logs("wasm error: unreachable", 2)
	m.Functions[wasmtest.Step].Body = wasmtest.Const64(0)
	m.Functions[wasmtest.Start].Body = call
	refused(t, func() error { return newAndClose(host.Config{Module: m.Encode()}) })
}
