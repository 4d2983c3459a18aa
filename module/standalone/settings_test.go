package standalone

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

func read(name, value string) (Settings, error) {
	return ReadSettings([]string{"HOME=/root", name + "=" + value})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s, err := read("PATH", "/bin")
	require.NoError(t, err)
	assert.Equal(t, wasi.ReadOnly, s.Anonymous, "without users anybody may read")
	assert.Equal(t, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:2121")}, s.Listen)
	assert.Equal(t, 1000, s.MaxSessions)

	s, err = read("WASIFTP_USERS", "a:secret,b:p:with:colons:rw\nc:p:ro,box:p:write+mkdir")
	require.NoError(t, err)
	assert.Zero(t, s.Anonymous, "with users nobody else may in")
	assert.Equal(t, []User{
		{"a", wasi.ReadOnly, secretOf([]byte("secret"))}, {"b", wasi.ReadWrite, secretOf([]byte("p:with:colons"))},
		{"c", wasi.ReadOnly, secretOf([]byte("p"))}, {"box", wasi.RightWrite | wasi.RightMkdir, secretOf([]byte("p"))},
	}, s.Users)

	s, err = read("WASIFTP_LISTEN", "127.0.0.1:21, [::1]:2121,:3000")
	require.NoError(t, err)
	assert.Equal(t, "[127.0.0.1:21 [::1]:2121 0.0.0.0:3000 [::]:3000]", sprint(s.Listen))

	for value, want := range map[string]Passive{
		"203.0.113.7:50000-50099": {netip.MustParseAddr("203.0.113.7"), 50000, 50099},
		"[::1]:50000-50000":       {netip.MustParseAddr("::1"), 50000, 50000},
		"50000-50001":             {netip.Addr{}, 50000, 50001},
		"127.0.0.1:50000":         {netip.MustParseAddr("127.0.0.1"), 50000, 50000},
	} {
		s, err = read("WASIFTP_PASSIVE", value)
		require.NoError(t, err, value)
		assert.Equal(t, want, s.Passive, value)
	}
	s, err = read("WASIFTP_BEHAVIOUR", "make-parents, follow-links")
	require.NoError(t, err)
	assert.True(t, s.Engine.Behaviour.MakeParents && s.FollowLinks)
	s, err = read("WASIFTP_BEHAVIOUR", "no-hash,no-mode-z")
	require.NoError(t, err)
	assert.True(t, s.Engine.Behaviour.NoHash && s.Engine.Behaviour.NoModeZ)
	s, err = read("WASIFTP_IDLE_TIMEOUT", "90s")
	require.NoError(t, err)
	assert.Equal(t, int64(90e9), s.Engine.IdleTime)
}

// A fault names the variable, says what is wrong and what to write, and has no password
// in it.
func TestSettingsFaults(t *testing.T) {
	t.Parallel()
	for _, f := range []struct{ name, value, want string }{
		{"WASIFTP_LISTEN", "localhost", "127.0.0.1:2121"},
		{"WASIFTP_LISTEN", "1.2.3.4:99999", "127.0.0.1:2121"},
		{"WASIFTP_PASSIVE", "x", "203.0.113.7:50000-50099"},
		{"WASIFTP_PASSIVE", "1.2.3.4:2-1", "203.0.113.7:50000-50099"},
		{"WASIFTP_PASSIVE", "0.0.0.0:1-2", "203.0.113.7:50000-50099"},
		{"WASIFTP_PASSIVE", "host:1-2", "203.0.113.7:50000-50099"},
		{"WASIFTP_PASSIVE", "1.2.3.4:0-2", "203.0.113.7:50000-50099"},
		{"WASIFTP_USERS", "u", "NAME:PASSWORD"},
		{"WASIFTP_USERS", ":hunter2", "NAME:PASSWORD"},
		{"WASIFTP_USERS", "u:hunter2,u:hunter3", "twice"},
		{"WASIFTP_ANONYMOUS", "yes", "off, ro, rw"},
		{"WASIFTP_ANONYMOUS", "off", "WASIFTP_USERS: nobody could log in"},
		{"WASIFTP_IDLE_TIMEOUT", "-1s", "90s"},
		{"WASIFTP_MAX_SESSIONS", "many", "whole number"},
		{"WASIFTP_BEHAVIOUR", "nice", "ascii-verbatim"},
		{"WASIFTP_USERS", "", "names nobody"},
		{"WASIFTP_USERS", ",", "names nobody"},
		{"WASIFTP_USERS", "u:hunter2:wx", "no rights"},
		{"WASIFTP_USERS", "u:hunter2:hunter3", "no rights"},
		{"WASIFTP_USER", "u:hunter2:rw", "WASIFTP_USER: there is no such setting; the nearest is WASIFTP_USERS"},
		{"WASIFTP_USER", "", "the nearest is WASIFTP_USERS"},
		{"WASIFTP_IDLETIMEOUT", "90s", "the nearest is WASIFTP_IDLE_TIMEOUT"},
		{"WASIFTP_ANONYMOUSE", "off", "the nearest is WASIFTP_ANONYMOUS"},
	} {
		_, err := read(f.name, f.value)
		require.Error(t, err, f.value)
		assert.Contains(t, err.Error(), "WASIFTP_")
		assert.Contains(t, err.Error(), f.want)
		assert.NotContains(t, err.Error(), "hunter")
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s := newServer(t, "USERS=u:p:rw,ftp:q", "ANONYMOUS=ro")
	h := s.add(&session{}, nil)
	for _, l := range []struct {
		user, password string
		want           ftp.Rights
	}{
		{"u", "p", wasi.ReadWrite}, {"u", "q", 0}, {"u", "", 0}, {"", "p", 0}, {"U", "p", 0},
		{"anonymous", "any", wasi.ReadOnly}, {"ANONYMOUS", "", wasi.ReadOnly}, {"ftp", "q", wasi.ReadOnly}, {"ftp", "any", 0},
	} {
		rights, _, err := s.Login(h, []byte(l.user), []byte(l.password))
		assert.Equal(t, l.want, rights, l)
		assert.Equal(t, l.want == 0, err == ftp.ErrPermission, l)
	}
}

func sprint(list []netip.AddrPort) string {
	b := []byte{'['}
	for i, a := range list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = a.AppendTo(b)
	}
	return string(append(b, ']'))
}
