package conn

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// v2 is a header of version 2.
func v2(command, family byte, block string) string {
	return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{0x20 | command, family, byte(len(block) >> 8), byte(len(block))}) + block
}

const (
	block4 = "\xcb\x00\x71\x07\xc6\x33\x64\x01\xc3\x50\x00\x15" // 203.0.113.7:50000 to 198.51.100.1:21
	first  = "USER alice\r\n"
)

// headed has a connection say something, and reads its header.
func headed(t *testing.T, said string, within time.Duration) (*Arrival, net.Conn, error) {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { here.Close(); there.Close() })
	go func() {
		io.WriteString(there, said)
		there.SetReadDeadline(time.Now().Add(time.Minute))
	}()
	a := &Arrival{From: netip.MustParseAddrPort("10.0.0.1:40000"), To: netip.MustParseAddrPort("10.0.0.2:2121"), conn: here}
	a, err := a.Proxied().Header(within)
	return a, here, err
}

// The header is read, and nothing behind it.
func TestProxyHeaders(t *testing.T) {
	t.Parallel()
	const own = "10.0.0.1:40000 10.0.0.2:2121"
	for name, test := range map[string]struct{ header, want string }{
		"v1 IPv4":            {"PROXY TCP4 203.0.113.7 198.51.100.1 50000 21\r\n", "203.0.113.7:50000 198.51.100.1:21"},
		"v1 IPv6":            {"PROXY TCP6 2001:db8::7 2001:db8::1 50000 21\r\n", "[2001:db8::7]:50000 [2001:db8::1]:21"},
		"v1 mapped":          {"PROXY TCP6 ::ffff:203.0.113.7 ::ffff:198.51.100.1 50000 21\r\n", "203.0.113.7:50000 198.51.100.1:21"},
		"v1 unknown":         {"PROXY UNKNOWN\r\n", own},
		"v1 unknown, longer": {"PROXY UNKNOWN ff::1 ff::2 1 2\r\n", own},
		"v2":                 {v2(1, 0x11, block4), "203.0.113.7:50000 198.51.100.1:21"},
		"v2 with more":       {v2(1, 0x11, block4+"\x04\x00\x03abc"), "203.0.113.7:50000 198.51.100.1:21"},
		"v2 local":           {v2(0, 0x00, ""), own},
		"v2 local, longer":   {v2(0, 0x11, block4), own},
	} {
		a, c, err := headed(t, test.header+first, time.Minute)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := a.From.String() + " " + a.To.String(); got != test.want {
			t.Errorf("%s: %s, not %s", name, got, test.want)
		}
		if behind := a.Behind(); behind.IsValid() != (test.want != own) || behind.IsValid() && behind.Port() != 2121 {
			t.Errorf("%s: behind %v", name, behind)
		}
		rest := make([]byte, len(first))
		if _, err := io.ReadFull(c, rest); string(rest) != first {
			t.Errorf("%s: behind the header %q, %v", name, rest, err)
		}
	}
}

func TestBadProxyHeaders(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		said string
		want error
	}{
		"none":                 {"USER alice\r\nPASS secret\r\n", errNoHeader},
		"half the signature":   {"\r\n\r\n\x00\r\nQUIX\n" + strings.Repeat("x", 20), errNoHeader},
		"an endless line":      {"PROXY TCP4 " + strings.Repeat("1", 200), errBadHeader},
		"no addresses":         {"PROXY TCP4 a b c d\r\n", errBadHeader},
		"a name that begins":   {"PROXYTCP4 203.0.113.7 198.51.100.1 50000 21\r\n", errBadHeader},
		"everywhere":           {"PROXY TCP4 0.0.0.0 198.51.100.1 50000 21\r\n", errNoAddresses},
		"two families":         {"PROXY TCP6 ::ffff:203.0.113.7 2001:db8::1 50000 21\r\n", errNoAddresses},
		"UDP":                  {v2(1, 0x12, block4), errNoAddresses},
		"a Unix socket":        {v2(1, 0x31, strings.Repeat("\x00", 216)), errNoAddresses},
		"too short a block":    {v2(1, 0x11, "1234"), errBadHeader},
		"a block of 5 KiB":     {v2(1, 0x11, strings.Repeat("x", 5<<10)), errBadHeader},
		"no command":           {v2(7, 0x11, block4), errBadHeader},
		"nothing in time":      {"", errHeaderLate},
		"half a line in time":  {"PROXY TCP4 203.0.113", errHeaderLate},
		"half a block in time": {v2(1, 0x11, block4)[:20], errHeaderLate},
	} {
		within := time.Minute
		if test.want == errHeaderLate {
			within = 20 * time.Millisecond
		}
		_, c, err := headed(t, test.said, within)
		if err != test.want {
			t.Errorf("%s: %v, not %v", name, err, test.want)
		}
		if _, err := c.Write([]byte("x")); err == nil {
			t.Errorf("%s: the connection is open", name)
		}
	}
}
