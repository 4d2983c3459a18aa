package main

import (
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/module/ftp"
)

func TestAddressIsFlattened(t *testing.T) {
	t.Parallel()
	family, fields := flatAddress(netip.MustParseAddrPort("192.0.2.1:2121"))
	assert.EqualValues(t, 0, family)
	assert.Equal(t, [11]uint32{2121, 192, 0, 2, 1}, fields)

	family, fields = flatAddress(netip.MustParseAddrPort("[2001:db8::1]:21"))
	assert.EqualValues(t, 1, family)
	assert.Equal(t, [11]uint32{21, 0, 0x2001, 0xdb8, 0, 0, 0, 0, 0, 1, 0}, fields)

	_, fields = flatAddress(netip.MustParseAddrPort("[fe80::1%7]:21"))
	assert.Equal(t, [11]uint32{21, 0, 0xfe80, 0, 0, 0, 0, 0, 0, 1, 7}, fields)
}

func TestAddressOfResult(t *testing.T) {
	t.Parallel()
	ipv4 := [resultSize]byte{4: 0, 8: 0x49, 9: 0x08, 10: 192, 11: 0, 12: 2, 13: 1}
	assert.Equal(t, netip.MustParseAddrPort("192.0.2.1:2121"), getAddress(ipv4[:]))

	ipv6 := [resultSize]byte{4: 1, 8: 21, 16: 0x01, 17: 0x20, 18: 0xb8, 19: 0x0d, 30: 1}
	assert.Equal(t, netip.MustParseAddrPort("[2001:db8::1]:21"), getAddress(ipv6[:]))
	ipv6[32] = 7
	assert.Equal(t, netip.MustParseAddrPort("[2001:db8::1%7]:21"), getAddress(ipv6[:]))
}

// faults has the cases of error-code in the order of world.wit.
func TestEveryErrorCodeIsAFault(t *testing.T) {
	t.Parallel()
	wit, err := os.ReadFile("../../module/wasip2/world.wit")
	require.NoError(t, err)
	enum := regexp.MustCompile(`enum error-code \{([^}]*)\}`).FindSubmatch(wit)
	require.NotNil(t, enum)
	want := map[string]ftp.Error{
		"access-denied": ftp.ErrPermission, "not-supported": ftp.ErrUnsupported, "invalid-argument": ftp.ErrName,
		"out-of-memory": ftp.ErrTooMany, "timeout": ftp.ErrTimeout, "concurrency-conflict": ftp.ErrBusy, "would-block": ftp.ErrAgain,
		"new-socket-limit": ftp.ErrTooMany, "address-not-bindable": ftp.ErrPermission, "address-in-use": ftp.ErrBusy,
		"remote-unreachable": ftp.ErrRefused, "connection-refused": ftp.ErrRefused,
		"connection-reset": ftp.ErrReset, "connection-aborted": ftp.ErrReset,
	}
	codes := strings.Fields(strings.ReplaceAll(string(enum[1]), ",", ""))
	assert.Greater(t, len(codes), len(want))
	for i, code := range codes {
		expected, known := want[code]
		if !known {
			expected = ftp.ErrStorage
		}
		assert.Equal(t, expected, fault([]byte{0: 1, unit: byte(i)}, unit), code)
		assert.Equal(t, expected, fault([]byte{0: 1, words: byte(i)}, words), code)
	}
	assert.NoError(t, fault([]byte{0, 3}, unit))
}

func TestStreamErrors(t *testing.T) {
	t.Parallel()
	for _, at := range []int{words, long} {
		result := make([]byte, resultSize)
		failure, err := streamFault(result, at)
		assert.Zero(t, failure)
		assert.NoError(t, err)

		result[0], result[at+4] = 1, 7
		failure, err = streamFault(result, at)
		assert.EqualValues(t, 7, failure)
		assert.Equal(t, ftp.ErrReset, err)

		result[at] = 1
		failure, err = streamFault(result, at)
		assert.Zero(t, failure, "an end has no handle")
		assert.Equal(t, errClosed, err)
	}
}
