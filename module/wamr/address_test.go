package main

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The records are bytes of WAMR's __wasi_addr_t on a little-endian machine.
func TestAddressRecord(t *testing.T) {
	t.Parallel()
	for text, record := range map[string][addressSize]byte{
		"192.0.2.7:8080":     {0: 0, 4: 192, 5: 0, 6: 2, 7: 7, 8: 0x90, 9: 0x1f},
		"[2001:db8::1:2]:21": {0: 1, 4: 0x01, 5: 0x20, 6: 0xb8, 7: 0x0d, 16: 1, 18: 2, 20: 21},
		"[::]:65535":         {0: 1, 20: 0xff, 21: 0xff},
	} {
		address := netip.MustParseAddrPort(text)
		assert.Equal(t, record, putAddress(address), text)
		assert.Equal(t, address, getAddress(record), text)
	}
}

func TestAddressMappedIsIPv4(t *testing.T) {
	t.Parallel()
	record := putAddress(netip.MustParseAddrPort("[::ffff:192.0.2.7]:21"))
	assert.Equal(t, netip.MustParseAddrPort("192.0.2.7:21"), getAddress(record))
}
