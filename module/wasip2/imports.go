//go:build wasip1

package main

import "unsafe"

// The functions of WASI 0.2 for TCP, in the form of the canonical ABI: records are
// flattened into parameters, and a result is written where its pointer leads (layout.go).
// A function that returns a list calls back into reallocate. Meanwhile the stack may move,
// so its pointers must not lead there: it has no go:noescape.

//go:wasmimport wasi:sockets/instance-network@0.2.0 instance-network
func instanceNetwork() (network uint32)

//go:wasmimport wasi:sockets/tcp-create-socket@0.2.0 create-tcp-socket
//go:noescape
func createSocket(family uint32, result unsafe.Pointer)

//go:wasmimport wasi:sockets/tcp@0.2.0 [method]tcp-socket.start-bind
//go:noescape
func startBind(socket, network, family, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10 uint32, result unsafe.Pointer)

//go:wasmimport wasi:sockets/tcp@0.2.0 [method]tcp-socket.finish-bind
//go:noescape
func finishBind(socket uint32, result unsafe.Pointer)

//go:wasmimport wasi:sockets/tcp@0.2.0 [method]tcp-socket.start-listen
//go:noescape
func startListen(socket uint32, result unsafe.Pointer)

//go:wasmimport wasi:sockets/tcp@0.2.0 [method]tcp-socket.finish-listen
//go:noescape
func finishListen(socket uint32, result unsafe.Pointer)

//go:wasmimport wasi:sockets/tcp@0.2.0 [method]tcp-socket.accept
//go:noescape
func accept(socket uint32, result unsafe.Pointer)

//go:wasmimport wasi:sockets/tcp@0.2.0 [method]tcp-socket.start-connect
//go:noescape
func startConnect(socket, network, family, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10 uint32, result unsafe.Pointer)

//go:wasmimport wasi:sockets/tcp@0.2.0 [method]tcp-socket.finish-connect
//go:noescape
func finishConnect(socket uint32, result unsafe.Pointer)

//go:wasmimport wasi:sockets/tcp@0.2.0 [method]tcp-socket.local-address
//go:noescape
func localAddress(socket uint32, result unsafe.Pointer)

//go:wasmimport wasi:sockets/tcp@0.2.0 [method]tcp-socket.remote-address
//go:noescape
func remoteAddress(socket uint32, result unsafe.Pointer)

//go:wasmimport wasi:sockets/tcp@0.2.0 [method]tcp-socket.subscribe
func subscribeSocket(socket uint32) (pollable uint32)

//go:wasmimport wasi:sockets/tcp@0.2.0 [resource-drop]tcp-socket
func dropSocket(socket uint32)

//go:wasmimport wasi:io/streams@0.2.0 [method]input-stream.read
func readInput(input uint32, length uint64, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.0 [method]input-stream.subscribe
func subscribeInput(input uint32) (pollable uint32)

//go:wasmimport wasi:io/streams@0.2.0 [resource-drop]input-stream
func dropInput(input uint32)

//go:wasmimport wasi:io/streams@0.2.0 [method]output-stream.check-write
//go:noescape
func checkWrite(output uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.0 [method]output-stream.write
//go:noescape
func writeOutput(output uint32, data unsafe.Pointer, length uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.0 [method]output-stream.subscribe
func subscribeOutput(output uint32) (pollable uint32)

//go:wasmimport wasi:io/streams@0.2.0 [resource-drop]output-stream
func dropOutput(output uint32)

//go:wasmimport wasi:io/error@0.2.0 [resource-drop]error
func dropError(fault uint32)

//go:wasmimport wasi:io/poll@0.2.0 poll
func poll(pollables unsafe.Pointer, n uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/poll@0.2.0 [method]pollable.ready
func pollableReady(pollable uint32) (ready uint32)

//go:wasmimport wasi:io/poll@0.2.0 [method]pollable.block
func pollableBlock(pollable uint32)

//go:wasmimport wasi:io/poll@0.2.0 [resource-drop]pollable
func dropPollable(pollable uint32)

//go:wasmimport wasi:clocks/monotonic-clock@0.2.0 now
func monotonicNow() uint64

//go:wasmimport wasi:clocks/monotonic-clock@0.2.0 subscribe-instant
func subscribeInstant(when uint64) (pollable uint32)
