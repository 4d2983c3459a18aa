package main

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"wasiftp/module/ftp"
)

// The canonical ABI's layout of a result: a byte that is 0 on success, and the value or the
// error at an offset that depends on their alignment.
const (
	resultSize = 40 // bytes of the largest result, an address

	unit  = 1 // offset if there is no value
	words = 4 // offset if the value has handles, a list or an address
	long  = 8 // offset if the value has 64 bits (check-write)
)

// errClosed tells of the end of a stream that has not failed.
const errClosed = ftp.ErrCanceled

// The cases of ip-address-family, and of ip-socket-address.
const (
	familyIPv4 = 0
	familyIPv6 = 1
)

// flatAddress is an ip-socket-address as parameters: family, then the fields of
// an IPv4 (port, 4 bytes) or IPv6 address (port, flow, 8 groups, scope).
func flatAddress(a netip.AddrPort) (family uint32, fields [11]uint32) {
	fields[0] = uint32(a.Port())
	if a.Addr().Is4() {
		for i, b := range a.Addr().As4() {
			fields[1+i] = uint32(b)
		}
		return familyIPv4, fields
	}
	ip := a.Addr().As16()
	for i := range 8 {
		fields[2+i] = uint32(binary.BigEndian.Uint16(ip[2*i:]))
	}
	scope, _ := strconv.ParseUint(a.Addr().Zone(), 10, 32) // 0 without a zone
	fields[10] = uint32(scope)
	return familyIPv6, fields
}

// getAddress is the ip-socket-address in a result. Its scope becomes the zone, as a number.
func getAddress(result []byte) netip.AddrPort {
	const ports, ipv4, ipv6, scopes = words + 4, words + 6, words + 12, words + 28
	port := binary.LittleEndian.Uint16(result[ports:])
	if result[words] == familyIPv4 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(result[ipv4:])), port)
	}
	var ip [16]byte
	for i := range 8 {
		binary.BigEndian.PutUint16(ip[2*i:], binary.LittleEndian.Uint16(result[ipv6+2*i:]))
	}
	addr := netip.AddrFrom16(ip)
	if scope := word(result, scopes); scope != 0 {
		addr = addr.WithZone(strconv.FormatUint(uint64(scope), 10))
	}
	return netip.AddrPortFrom(addr, port)
}

// faults are the engine's errors for the cases of error-code.
var faults = [...]ftp.Error{
	ftp.ErrStorage,     // unknown
	ftp.ErrPermission,  // access-denied
	ftp.ErrUnsupported, // not-supported
	ftp.ErrName,        // invalid-argument
	ftp.ErrTooMany,     // out-of-memory
	ftp.ErrTimeout,     // timeout
	ftp.ErrBusy,        // concurrency-conflict
	ftp.ErrStorage,     // not-in-progress
	ftp.ErrAgain,       // would-block
	ftp.ErrStorage,     // invalid-state
	ftp.ErrTooMany,     // new-socket-limit
	ftp.ErrPermission,  // address-not-bindable
	ftp.ErrBusy,        // address-in-use
	ftp.ErrRefused,     // remote-unreachable
	ftp.ErrRefused,     // connection-refused
	ftp.ErrReset,       // connection-reset
	ftp.ErrReset,       // connection-aborted
}

// fault is the error in a result whose error, at offset at, is an error-code; nil for none.
func fault(result []byte, at int) error {
	if result[0] == 0 {
		return nil
	}
	if code := int(result[at]); code < len(faults) {
		return faults[code]
	}
	return ftp.ErrStorage
}

// streamFault is the error in a result whose error, at offset at, is a stream-error:
// errClosed, or a failure, which comes with the handle of an error resource. Both results
// are zero for none.
func streamFault(result []byte, at int) (failure uint32, err error) {
	const closed = 1 // the case; last-operation-failed is 0
	switch {
	case result[0] == 0:
		return 0, nil
	case result[at] == closed:
		return 0, errClosed
	}
	return word(result, at+4), ftp.ErrReset
}

func word(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
