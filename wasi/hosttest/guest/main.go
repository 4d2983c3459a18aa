//go:build wasip1

// Command guest is the module of the host kit. A host starts it in the place of the engine,
// and it obeys the kit.
package main

import (
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/puppet"
)

func main() {}

//go:wasmexport ftp_abi_version
func abiVersion() uint32 { return wasi.ABIVersion }

//go:wasmexport ftp_start
func start(size uint32) uint32 {
	if _, ok := puppet.Start(size); !ok {
		return uint32(wasi.EINVAL)
	}
	return uint32(wasi.OK)
}

//go:wasmexport ftp_step
func step(now int64, waiting uint32) int64 { return puppet.Step(now, waiting) }
