package standalone

import (
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/module/ftp"
)

// passive opens a passive port by PASV; the address is not valid if that is refused.
func (s *server) passive(c *fakeConn) (netip.AddrPort, string) {
	reply := s.say(c, "PASV")
	var n [6]int
	_, at, _ := strings.Cut(reply, "(")
	if _, err := fmt.Sscanf(at, "%d,%d,%d,%d,%d,%d)", &n[0], &n[1], &n[2], &n[3], &n[4], &n[5]); err != nil {
		return netip.AddrPort{}, reply
	}
	ip := netip.AddrFrom4([4]byte{byte(n[0]), byte(n[1]), byte(n[2]), byte(n[3])})
	return netip.AddrPortFrom(ip, uint16(n[4]<<8|n[5])), reply
}

func TestPassivePool(t *testing.T) {
	t.Parallel()
	s := newServer(t, "PASSIVE=192.0.2.1:50000-50003")
	s.put("a", "hello")
	seen := map[netip.AddrPort]bool{}
	var sessions []*fakeConn
	for range 4 {
		c := s.login("u")
		sessions = append(sessions, c)
		at, reply := s.passive(c)
		require.True(t, at.IsValid(), reply)
		assert.True(t, at.Port() >= 50000 && at.Port() <= 50003)
		assert.False(t, seen[at], "a port is given to one session at a time")
		seen[at] = true
	}
	late := s.login("u")
	_, reply := s.passive(late)
	assert.Contains(t, reply, "425 ")
	// A transfer gives its port back, and so does a session that ends.
	sessions[0].ended = true
	s.turn()
	assert.True(t, sessions[0].closed)
	at, reply := s.passive(late)
	require.True(t, at.IsValid(), reply)
	data := s.connect(at, clientAddress)
	assert.Contains(t, s.say(late, "RETR a"), "226 ")
	assert.Equal(t, "hello", data.toClient.String())
	assert.True(t, data.closed && !data.reset)
	at, reply = s.passive(late)
	assert.True(t, at.IsValid(), reply)
}

// Nobody can guess the next passive port.
func TestPassivePortsAreRandom(t *testing.T) {
	t.Parallel()
	s := newServer(t, "PASSIVE=192.0.2.1:50000-59999")
	c := s.login("u")
	seen := map[uint16]bool{}
	for range 20 {
		at, reply := s.passive(c)
		require.True(t, at.IsValid(), reply)
		seen[at.Port()] = true
	}
	assert.Greater(t, len(seen), 10)
	assert.False(t, seen[50000] && seen[50001] && seen[50002])
}

// A connection without a peer address is closed, and the server still waits for the
// client's.
func TestDataConnectionOfNobody(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.put("a", "hello")
	c := s.login("u")
	at, _ := s.passive(c)
	nobody := s.connect(at, netip.AddrPort{})
	assert.NotContains(t, s.say(c, "RETR a"), "226 ")
	assert.True(t, nobody.closed)
	data := s.connect(at, clientAddress)
	assert.Contains(t, c.toClient.String(), "226 ")
	assert.Equal(t, "hello", data.toClient.String())
}

// PASV announces the public address, except to clients in private networks.
func TestAnnouncedAddress(t *testing.T) {
	t.Parallel()
	s := newServer(t, "PASSIVE=203.0.113.7:50000-50003", "LISTEN=10.0.0.1:2121")
	for from, want := range map[string]string{"192.0.2.7:40000": "203.0.113.7", "10.0.0.9:40000": "10.0.0.1"} {
		c := s.connect(netip.MustParseAddrPort("10.0.0.1:2121"), netip.MustParseAddrPort(from))
		s.say(c, "USER u")
		s.say(c, "PASS p")
		at, reply := s.passive(c)
		assert.Equal(t, want, at.Addr().String(), reply)
	}
}

// TestThreat05DataTheft: a stranger's connection gets nothing, and the server still waits
// for the client's. Of two from the client's address neither is trusted.
func TestThreat05DataTheft(t *testing.T) {
	t.Parallel()
	s := newServer(t, "PASSIVE=192.0.2.1:50000-50003")
	s.put("a", "hello")
	c := s.login("u")
	at, _ := s.passive(c)
	thief := s.connect(at, netip.MustParseAddrPort("192.0.2.66:40000"))
	assert.Contains(t, s.say(c, "RETR a"), "150 ")
	assert.True(t, thief.closed && thief.reset)
	data := s.connect(at, clientAddress)
	assert.Equal(t, "hello", data.toClient.String())
	assert.Empty(t, thief.toClient.String())

	at, _ = s.passive(c)
	one, two := s.connect(at, clientAddress), s.connect(at, netip.AddrPortFrom(clientAddress.Addr(), 40001))
	assert.Contains(t, s.say(c, "RETR a"), "425 ")
	for _, data := range []*fakeConn{one, two} {
		assert.True(t, data.closed)
		assert.Empty(t, data.toClient.String())
	}
}

// TestThreat07Bounce: the server connects to the client's own address only, and to no
// well-known port.
func TestThreat07Bounce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.login("u")
	for _, line := range []string{"PORT 192,0,2,66,156,64", "PORT 127,0,0,1,156,64", "PORT 192,0,2,7,0,25",
		"EPRT |2|::ffff:192.0.2.66|40000|"} {
		assert.Regexp(t, `^50[01] `, s.say(c, line), line)
	}
	// The world refuses them as well, whatever the engine does.
	session := s.engineSession()
	for _, to := range []string{"192.0.2.66:40000", "192.0.2.7:1023"} {
		_, err := s.world.Dial(session, netip.MustParseAddrPort(to))
		assert.Equal(t, ftp.ErrPermission, err, to)
	}
	assert.Empty(t, s.dialled)
	s.put("a", "hello")
	assert.Contains(t, s.say(c, "PORT 192,0,2,7,156,64"), "200 ")
	assert.Contains(t, s.say(c, "RETR a"), "226 ")
	assert.Equal(t, []netip.AddrPort{clientAddress}, s.dialled)
}

// engineSession is the handle of a session.
func (s *server) engineSession() ftp.Handle {
	for h, o := range s.objects {
		if _, ok := o.(*session); ok {
			return h
		}
	}
	return 0
}

func TestDialledConnection(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.put("a", "hello")
	c := s.login("u")
	s.pending = 3
	s.say(c, "PORT 192,0,2,7,156,64")
	assert.Regexp(t, `^150 .*\r\n226 `, s.say(c, "RETR a"))
	s.refusal = ftp.ErrRefused
	s.say(c, "PORT 192,0,2,7,156,64")
	assert.Regexp(t, `^150 .*\r\n425 `, s.say(c, "RETR a"))
	assert.Len(t, s.objects, 1, "only the session is left")
}

// A link-local address has a zone, which EPRT and EPSV cannot name.
func TestClientInAZone(t *testing.T) {
	t.Parallel()
	at, from := netip.MustParseAddrPort("[fe80::1%2]:2121"), netip.MustParseAddrPort("[fe80::7%2]:40000")
	s := newServer(t, "LISTEN="+at.String(), "PASSIVE=50000")
	s.put("a", "hello")
	c := s.connect(at, from)
	s.say(c, "USER u")
	s.say(c, "PASS p")
	assert.Contains(t, s.say(c, "EPRT |2|fe80::7|40000|"), "200 ")
	assert.Contains(t, s.say(c, "RETR a"), "226 ")
	assert.Equal(t, []netip.AddrPort{from}, s.dialled)
	assert.Contains(t, s.say(c, "EPSV"), "(|||50000|)")
	data := s.connect(netip.AddrPortFrom(at.Addr(), 50000), from)
	require.NotNil(t, data)
	assert.Contains(t, s.say(c, "RETR a"), "226 ")
	assert.Equal(t, "hello", data.toClient.String())
}

func TestMaxSessions(t *testing.T) {
	t.Parallel()
	s := newServer(t, "MAX_SESSIONS=2")
	first := s.login("u")
	s.login("u")
	third := s.connect(serverAddress, clientAddress)
	assert.True(t, third.closed)
	assert.Regexp(t, `^421 .*\r\n$`, third.toClient.String())
	assert.Contains(t, s.say(first, "QUIT"), "221 ")
	s.login("u")
}

// TestNoDescriptorLeft: after a failed Accept the server pauses, or it would do nothing but
// try again.
func TestNoDescriptorLeft(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.fake.broken = true
	s.connect(serverAddress, clientAddress)
	assert.NotZero(t, s.resume)
	s.fake.broken = false
	require.Eventually(t, func() bool { s.turn(); return s.sessions == 1 }, 5e9, 1e6)
}

func TestSessionLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	before := len(s.sockets)
	for range 3 {
		c := s.login("u")
		s.passive(c)
		assert.Contains(t, s.say(c, "STOR up"), "150 ")
		c.ended = true
		s.turn()
	}
	assert.Len(t, s.sockets, before)
	assert.Empty(t, s.objects)
	assert.Len(t, s.endpoints, before)
	assert.Empty(t, s.ports)
}

// TestRights: each right allows its verbs. Overwriting takes the right to delete.
func TestRights(t *testing.T) {
	t.Parallel()
	s := newServer(t, "USERS=u:p:rw,ro:p,box:p:write+list", "PASSIVE=192.0.2.1:50000-50003")
	s.put("old", "old")
	try := func(user, before, line string) string {
		c := s.login(user)
		s.say(c, "TYPE I")
		at, _ := s.passive(c)
		data := s.connect(at, clientAddress)
		data.toServer.WriteString("new")
		data.ended = true
		if before != "" {
			s.say(c, before)
		}
		reply := s.say(c, line)
		s.say(c, "QUIT")
		return reply[strings.LastIndex(strings.TrimSpace(reply), "\n")+1:][:3]
	}
	for _, r := range []struct{ before, line, all, reader, box string }{
		{"", "RETR old", "226", "226", "550"},
		{"", "NLST", "226", "226", "226"},
		{"", "STOR fresh", "226", "550", "226"},
		{"", "STOR old", "226", "550", "550"},
		{"REST 1", "STOR old", "226", "550", "550"},
		{"REST 3", "STOR old", "226", "550", "226"},
		{"", "APPE old", "226", "550", "226"},
		{"", "MFMT 20200101000000 old", "213", "550", "213"},
		{"", "MKD made", "257", "550", "550"},
		{"RNFR old", "RNTO moved", "250", "550", "550"},
		{"", "DELE old", "250", "550", "550"},
		{"", "RMD gone", "250", "550", "550"},
	} {
		for user, want := range map[string]string{"u": r.all, "ro": r.reader, "box": r.box} {
			for _, name := range []string{"fresh", "made", "moved", "old", "gone"} {
				s.dir.Remove(name)
			}
			s.put("old", "old")
			require.NoError(t, s.dir.Mkdir("gone", nil))
			assert.Equal(t, want, try(user, r.before, r.line), "%s: %s %s", user, r.before, r.line)
			if want == "550" {
				assert.Equal(t, "old", s.content("old"), "%s: %s", user, r.line)
			}
		}
	}
}

// TestRemovingAsksForTheKind: an account that may only delete can't ask what a name is, yet
// DELE deletes files only and RMD directories only.
func TestRemovingAsksForTheKind(t *testing.T) {
	t.Parallel()
	s := newServer(t, "USERS=box:p:delete")
	s.put("file", "content")
	require.NoError(t, s.dir.Mkdir("dir", nil))
	c := s.login("box")
	assert.Contains(t, s.say(c, "RMD file"), "550 ")
	assert.Contains(t, s.say(c, "DELE dir"), "550 ")
	assert.Equal(t, "content", s.content("file"))
	assert.Contains(t, s.say(c, "RMD dir"), "250 ")
	assert.Contains(t, s.say(c, "DELE file"), "250 ")
}

// TestHash: a file is hashed in pieces, and ABOR ends the hashing.
func TestHash(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.put("a", strings.Repeat("x", 3*hashPiece+1))
	c := s.login("u")
	assert.Contains(t, s.say(c, "HASH a"), "213 SHA-256 0-196608 "+fmt.Sprintf("%x",
		sha256.Sum256([]byte(strings.Repeat("x", 3*hashPiece+1))))+" a")
	s.say(c, "RANG 1 65536")
	assert.Contains(t, s.say(c, "HASH a"), "213 SHA-256 1-65536 "+fmt.Sprintf("%x",
		sha256.Sum256([]byte(strings.Repeat("x", hashPiece))))+" a")
	assert.Contains(t, s.say(c, "XCRC a"),
		"250 "+fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(strings.Repeat("x", 3*hashPiece+1)))))
	c.toServer.WriteString("HASH a\r\n")
	s.step()
	s.step()
	assert.Len(t, s.hashing, 1)
	assert.Regexp(t, `^426 .*\r\n226 `, s.say(c, "ABOR"))
	assert.Empty(t, s.hashing)
	assert.Len(t, s.objects, 1)
}

// TestBrokenOff: ABOR closes the data connection of an upload, and leaves what has arrived.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	s := newServer(t, "PASSIVE=192.0.2.1:50000-50003")
	c := s.login("u")
	at, _ := s.passive(c)
	data := s.connect(at, clientAddress)
	assert.Contains(t, s.say(c, "STOR up"), "150 ")
	data.toServer.WriteString("part")
	s.turn()
	assert.Contains(t, s.say(c, "STAT"), " 4 bytes so far")
	assert.Contains(t, s.say(c, "ABOR"), "426 ")
	assert.True(t, data.closed)
	assert.Equal(t, "part", s.content("up"), "what came stays, to be resumed")
}

// TestRecursionFollowsNoLinks: STAT -R does not descend into a symbolic link, even if it is
// listed as the directory that it leads to.
func TestRecursionFollowsNoLinks(t *testing.T) {
	t.Parallel()
	s := newServer(t, "BEHAVIOUR=follow-links")
	require.NoError(t, os.Mkdir(filepath.Join(s.root, "sub"), 0o755))
	if err := os.Symlink("..", filepath.Join(s.root, "sub", "circle")); err != nil {
		t.Skip("no links here: ", err)
	}
	status := s.say(s.login("u"), "STAT -R")
	assert.Regexp(t, `(?m)^d.* circle\r$`, status)
	assert.Contains(t, status, "./sub:\r\n")
	assert.NotContains(t, status, "circle:")
}
