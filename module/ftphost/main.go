//go:build wasip1

// Command ftphost joins the engine to the imports of the boundary, [wasi.Table]. It is a
// reactor: the host starts it once, and then calls ftp_step whenever something has
// happened.
package main

import (
	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

var (
	world  imports
	engine *ftp.Engine
	events [64]ftp.Event
	buffer [len(events) * wasi.EventSize]byte
)

// A reactor's main never runs: the host calls _initialize and then the exports.
func main() {}

//go:wasmexport ftp_abi_version
func abiVersion() uint32 { return wasi.ABIVersion }

//go:wasmexport ftp_start
func start(configSize uint32) uint32 {
	config, ok := readConfig(configSize)
	if !ok {
		return uint32(wasi.EINVAL)
	}
	engine = ftp.New(&world, config)
	return uint32(wasi.OK)
}

//go:wasmexport ftp_step
func step(now int64, waiting uint32) int64 {
	n := 0
	for waiting > 0 {
		if n = readEvents(events[:], buffer[:]); n < len(events) {
			break
		}
		engine.Notice(now, events[:])
	}
	return engine.Step(now, events[:n])
}
