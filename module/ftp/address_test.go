package ftp_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

func TestPort(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"192,0,2,7,156,64": "192.0.2.7:40000",
		"0,0,0,0,0,0":      "0.0.0.0:0",
		"1,2,3,4,255,255":  "1.2.3.4:65535",
		"":                 "", "1,2,3,4,5": "", "1,2,3,4,5,6,7": "", "1,2,3,4,5,": "", "1,2,3,4,5,6,": "",
		"1,2,3,4,256,1": "", "01,2,3,4,5,6": "", "0x1,2,3,4,5,6": "", "1,2,3,4,-5,6": "", "1, 2,3,4,5,6": "",
		"+1,2,3,4,5,6": "", "1.2.3.4,5,6": "", "18446744073709551617,2,3,4,5,6": "",
	} {
		addr, err := ftp.ParsePort([]byte(arg))
		assert.Equal(t, want != "", err == nil, arg)
		if err == nil {
			assert.Equal(t, want, addr.String(), arg)
		}
	}
}

func TestExtendedPort(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"|1|192.0.2.7|40000|":     "192.0.2.7:40000",
		"!1!192.0.2.7!40000!":     "192.0.2.7:40000",
		"|2|2001:db8::7|40000|":   "[2001:db8::7]:40000",
		"|3|192.0.2.7|40000|":     "522",
		"":                        "501",
		"|":                       "501",
		"|1|192.0.2.7|40000":      "501",
		"|1|192.0.2.7|40000||":    "501",
		"|1|2001:db8::7|40000|":   "501",
		"|2|192.0.2.7|40000|":     "501",
		"|2|::ffff:1.2.3.4|4000|": "501",
		"|2|fe80::1%1|40000|":     "501",
		"|1|localhost|40000|":     "501",
		"|1|192.0.2.07|40000|":    "501",
		"|1|192.0.2|40000|":       "501",
		"|1|192.0.2.7|65536|":     "501",
		"|1|192.0.2.7|040000|":    "501",
		"|01|192.0.2.7|40000|":    "501",
		"1192.0.2.7":              "501",
		"\x011\x01":               "501",
	} {
		addr, err := ftp.ParseExtendedPort([]byte(arg))
		if err == nil {
			assert.Equal(t, want, addr.String(), arg)
		} else {
			assert.Equal(t, want, err.Error()[:3], arg)
		}
	}
}

// TestThreat07Bounce: only the client's own address and an unreserved port are
// taken, and nothing else is ever dialled.
func TestThreat07Bounce(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	for _, line := range []string{
		"PORT 192,0,2,8,156,64", "PORT 127,0,0,1,156,64", "PORT 192,0,2,7,0,22", "PORT 192,0,2,7,3,255",
		"PORT 0,0,0,0,156,64", "EPRT |1|192.0.2.8|40000|", "EPRT |1|127.0.0.1|40000|", "EPRT |2|::1|40000|",
		"EPRT |1|192.0.2.7|21|", "EPRT |1|192.0.2.7|0|",
	} {
		assert.Equal(t, "500", c.Code(line), line)
		assert.Equal(t, "425", c.Code("LIST"), line)
	}
	for _, seed := range seeds(t, "address") {
		c.Do("PORT " + seed)
		c.Do("EPRT " + seed)
		c.Do("LIST")
		c.Codes()
	}
	for _, to := range w.Attempts {
		assert.Equal(t, ftptest.ClientAddress.Addr(), to.Addr())
		assert.GreaterOrEqual(t, to.Port(), uint16(1024))
	}
}

func TestForeignDataAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{AllowForeignData: true})
	c := w.LoginAs("u", "p")
	assert.Equal(t, "200", c.Code("PORT 192,0,2,8,156,64"))
	assert.Equal(t, "500", c.Code("PORT 192,0,2,8,0,22"))
}

func TestActive(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	for _, command := range []string{ftptest.PortCommand(ftptest.ClientAddress), "EPRT |1|192.0.2.7|40000|"} {
		l := c.Listen(40000)
		assert.Equal(t, "200", c.Code(command))
		assert.Equal(t, "150", c.Code("RETR hello.txt"))
		assert.Equal(t, "226", c.Codes())
		d := l.Accept()
		assert.Equal(t, "hello\r\n", d.Read())
		assert.True(t, d.Closed())
	}
	// Nobody listens there.
	assert.Equal(t, "200", c.Code("PORT 192,0,2,7,156,65"))
	assert.Equal(t, "150", c.Code("RETR hello.txt"))
	assert.Equal(t, "425", c.Codes())
	assert.Equal(t, 1, w.Held())
}

func TestActiveIPv6(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{})
	w.Server = netip.MustParseAddrPort("[2001:db8::1]:21")
	w.Peer = netip.MustParseAddrPort("[2001:db8::7]:40000")
	c := w.LoginAs("u", "p")
	c.Listen(40001)
	assert.Equal(t, "200", c.Code("EPRT |2|2001:db8::7|40001|"))
	assert.Equal(t, "150", c.Code("NLST"))
	assert.Equal(t, "226", c.Codes())
	assert.Equal(t, "500", c.Code("PORT 192,0,2,7,156,64"))
	reply := c.Do("PASV")
	assert.True(t, strings.HasPrefix(reply, "425 ") && strings.Contains(reply, "EPSV"), reply)
	assert.Equal(t, "522", c.Code("EPSV 1"))
	assert.Regexp(t, `^229 .*\(\|\|\|\d+\|\)$`, c.Do("EPSV 2"))
}

// A control connection without an IP address has data connections if the host makes them.
func TestPassiveWithoutAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{})
	w.Server = netip.MustParseAddrPort("[::]:0")
	c := w.LoginAs("u", "p")
	assert.Equal(t, "425", c.Code("PASV"))
	assert.Equal(t, "229", c.Code("EPSV"))
	w.Fault = func(call, _ string) error {
		if call == "Listen" {
			return ftp.ErrUnsupported
		}
		return nil
	}
	for _, command := range []string{"EPSV", "EPSV 1", "EPSV 2", "LPSV"} {
		reply := c.Do(command)
		assert.True(t, strings.HasPrefix(reply, "425 ") && strings.Contains(reply, "no TCP connection"), reply)
	}
}

func FuzzAddress(f *testing.F) {
	for _, seed := range seeds(f, "address") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		if addr, err := ftp.ParsePort([]byte(arg)); err == nil {
			assert.Equal(t, "PORT "+arg, ftptest.PortCommand(addr))
		}
		if addr, err := ftp.ParseExtendedPort([]byte(arg)); err == nil {
			assert.True(t, addr.Addr().Zone() == "" && !addr.Addr().Is4In6())
		}
	})
}
