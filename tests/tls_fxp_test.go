package tests

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// joining is a server with TLS that takes part in transfers between servers, as far as
// allow and foreign permit. It listens at an address that is not the client's, and speaks
// one version of TLS.
func joining(t testing.TB, ip string, version uint16, allow host.Allow, foreign bool) (script.Network, *fsbridge.Memory) {
	t.Helper()
	files := fsbridge.NewMemory()
	config := serverTLS()
	config.MinVersion, config.MaxVersion = version, version
	server, _ := serve(t, host.Config{
		Authenticator: accounts(files), TLS: host.TLS{Config: config}, Allow: allow, AllowForeignDataAddress: foreign,
	})
	l, err := net.Listen("tcp4", ip+":0")
	if err != nil {
		t.Skipf("no second loopback address here: %v", err)
	}
	go server.Serve(l)
	t.Cleanup(func() { l.Close() })
	return script.Network{IPv4: address(l)}, files
}

// passiveBy opens a passive port by PASV or CPSV, and returns the argument for PORT.
func (c *talk) passiveBy(verb string) string {
	c.t.Helper()
	r := c.say(verb)
	require.Equal(c.t, 227, r.Code, r.Text())
	_, rest, _ := strings.Cut(r.Text(), "(")
	numbers, _, _ := strings.Cut(rest, ")")
	return numbers
}

// TestTransferBetweenServers: a file goes from one server to another under TLS,
// with either of them as the TLS client (RFC 959 §5.2; SSCN and CPSV).
func TestTransferBetweenServers(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		for _, way := range []struct{ name, before, pasv string }{
			{"SSCN at the passive end", "passive", "PASV"}, {"SSCN at the active end", "active", "PASV"}, {"CPSV", "", "CPSV"},
		} {
			for _, upload := range []bool{false, true} {
				t.Run(fmt.Sprint(way.name, upload), func(t *testing.T) {
					t.Parallel()
					both := host.Allow{SSCN: true, CPSV: true}
					one, files := joining(t, "127.0.0.2", version, both, true)
					two, others := joining(t, "127.0.0.3", version, both, true)
					passive, active := loginTLS(t, one, clientTLS(version)), loginTLS(t, two, clientTLS(version))
					if end := map[string]*private{"passive": passive, "active": active}[way.before]; end != nil {
						require.Equal(t, 200, end.do("SSCN ON"))
					}
					require.Equal(t, 200, active.do("PORT "+passive.passiveBy(way.pasv)))
					lines := []string{"RETR a", "STOR a"}
					if upload {
						files, others = others, files
						lines = []string{"STOR a", "RETR a"}
					}
					require.NoError(t, putFile(files, "a", samples["64k+1.bin"], past))
					assert.Equal(t, 150, passive.do(lines[0]))
					assert.Equal(t, 150, active.do(lines[1]))
					assert.Equal(t, 226, active.reply().Code)
					assert.Equal(t, 226, passive.reply().Code)
					holds(t, others, "a", string(samples["64k+1.bin"]))
				})
			}
		}
	})
}

// TestTransferBetweenServersIsOff: by default a server accepts no other address for data,
// and is no TLS client.
func TestTransferBetweenServersIsOff(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		one, _ := joining(t, "127.0.0.2", version, host.Allow{}, false)
		two, _ := joining(t, "127.0.0.3", version, host.Allow{SSCN: true}, false)
		a, b := loginTLS(t, one, clientTLS(version)), loginTLS(t, two, clientTLS(version))
		for _, line := range []string{"SSCN", "SSCN ON", "CPSV"} {
			assert.Equal(t, 502, a.do(line), line)
		}
		assert.Equal(t, 200, b.do("SSCN ON"))
		assert.Equal(t, 502, b.do("CPSV"))
		assert.Equal(t, 500, b.do("PORT "+a.passiveBy("PASV")))
	})
}

// TestClientLftpBetweenServers: lftp makes two servers transfer a file between them, by
// CPSV or by SSCN at either end.
func TestClientLftpBetweenServers(t *testing.T) {
	t.Parallel()
	s := newSite(t, "lftp", "lftp")
	for _, way := range []struct {
		allow   host.Allow
		setting string
		said    string
	}{
		{host.Allow{CPSV: true}, "true", "---> CPSV"},
		{host.Allow{SSCN: true}, "true", "---> SSCN ON"},
		{host.Allow{SSCN: true}, "false", "---> SSCN ON"},
	} {
		from, files := joining(t, "127.0.0.2", versions["1.3"], way.allow, true)
		to, others := joining(t, "127.0.0.3", versions["1.3"], way.allow, true)
		require.NoError(t, putFile(files, "a.bin", samples["64k+1.bin"], past))
		script := strings.Join([]string{
			"debug 9", "set cmd:fail-exit true", "set net:max-retries 1", "set net:timeout 20", "set ssl:verify-certificate false",
			"set ftp:ssl-force true; set ftp:ssl-protect-data true; set ftp:ssl-protect-fxp true; set ftp:use-fxp true; " +
				"set ftp:fxp-force true",
			"set ftp:fxp-passive-sscn " + way.setting,
			fmt.Sprintf("get %s -o %s", lftpURL(from.IPv4), lftpURL(to.IPv4)), "",
		}, "\n")
		log := s.run(script, "lftp", "--norc")
		assert.Contains(t, log, way.said)
		holds(t, others, "a.bin", string(samples["64k+1.bin"]))
	}
}

func lftpURL(at netip.AddrPort) string { return "ftp://u:p@" + at.String() + "/a.bin" }
