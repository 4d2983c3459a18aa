package tests

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestThreat24Numbers(t *testing.T) {
	t.Parallel()
	network, files := memoryNetwork(t)
	c := login(t, network, "u")
	put := func() { require.NoError(t, putFile(files, "f", []byte("0123456789"), past)) }
	has := func(want, after string) {
		t.Helper()
		got, err := fs.ReadFile(files, "f")
		require.NoError(t, err)
		assert.Equal(t, want, string(got), after)
	}
	put()
	for _, number := range []string{"-1", "+1", "1.5", "1e9", "0x10", "1 2", "1,000", "9223372036854775808", "18446744073709551615",
		"18446744073709551616", "18446744073709551620", "99999999999999999999999", "\u0663", "1\t", "", "abc", "--1"} {
		assert.Equal(t, 501, c.do("REST "+number), "REST %q", number)
		got, code := c.get("RETR f")
		assert.Equal(t, 226, code)
		assert.Equal(t, "0123456789", string(got), "after REST %q", number)
	}
	for _, number := range []string{"11", "4294967296", "4294967300", "9223372036854775807"} {
		for _, verb := range []string{"RETR f", "STOR f", "RETR f"} {
			c.port()
			require.Equal(t, 350, c.do("REST "+number), number)
			assert.Equal(t, 554, c.do(verb), "%s after REST %s", verb, number)
			has("0123456789", verb+" after REST "+number)
		}
		// A file that is not there has no place to go on from.
		require.Equal(t, 350, c.do("REST "+number))
		assert.GreaterOrEqual(t, c.do("STOR new"), 500)
		_, err := fs.Stat(files, "new")
		assert.ErrorIs(t, err, fs.ErrNotExist)
	}
	// REST with APPE or STOU: whatever it means, the content of the file stays.
	require.Equal(t, 350, c.do("REST 3"))
	c.store("APPE f", "x")
	has("0123456789x", "REST and APPE")
	put()
	require.Equal(t, 350, c.do("REST 3"))
	c.store("STOU f", "x")
	has("0123456789", "REST and STOU")
	// REST holds for the next transfer only, even if that fails.
	c.port()
	require.Equal(t, 350, c.do("REST 3"))
	assert.Equal(t, 550, c.do("RETR none"))
	require.Equal(t, 226, c.store("STOR f", "abc"))
	has("abc", "REST, a failed RETR and STOR")
}

func TestThreat24Ranges(t *testing.T) {
	t.Parallel()
	network, files := memoryNetwork(t)
	require.NoError(t, putFile(files, "f", []byte("0123456789"), past))
	c := login(t, network, "u")
	for _, numbers := range []string{"-1 5", "5 -1", "5 4", "1e0 5", "0 9223372036854775808",
		"18446744073709551616 18446744073709551617",
		"5", "", "5 ", " 5", "5 6 7", "0x1 5", "5,6", "5-6"} {
		assert.Equal(t, 501, c.do("RANG "+numbers), "RANG %q", numbers)
		got, code := c.get("RETR f")
		assert.Equal(t, 226, code)
		assert.Equal(t, "0123456789", string(got), "after RANG %q", numbers)
	}
	for numbers, want := range map[string]string{"0 0": "0", "9 9": "9", "3 9223372036854775807": "3456789", "9 10": "9",
		"10 10": ""} {
		require.Equal(t, 350, c.do("RANG "+numbers), numbers)
		got, code := c.get("RETR f")
		assert.Equal(t, 226, code, numbers)
		assert.Equal(t, want, string(got), numbers)
	}
	for _, verb := range []string{"RETR f", "STOR f", "HASH f"} {
		c.port()
		require.Equal(t, 350, c.do("RANG 11 9223372036854775807"))
		assert.Equal(t, 554, c.do(verb), verb)
	}
	// RANG holds neither for a second transfer nor for APPE.
	require.Equal(t, 350, c.do("RANG 2 3"))
	require.Equal(t, 226, c.store("APPE f", "abc"))
	got, _ := c.get("RETR f")
	assert.Equal(t, "0123456789abc", string(got))
}

func TestThreat24OtherNumbers(t *testing.T) {
	t.Parallel()
	network, files := memoryNetwork(t)
	require.NoError(t, putFile(files, "f", nil, past))
	before, err := fs.Stat(files, "f")
	require.NoError(t, err)
	c := login(t, network, "u")
	for _, line := range []string{
		"SITE CHMOD -1 f", "SITE CHMOD 8 f", "SITE CHMOD 10000000000000 f", "SITE CHMOD 0x1ff f", "SITE CHMOD 18446744073709551615 f",
		"MFMT 00000000000000 f", "MFMT -0010102030405 f", "MFMT 20200230000000 f", "MFMT 20200101240000 f", "MFMT 20200101006000 f",
		"MFMT 99999999999999 f", "MFMT 202001010000000 f", "MFMT 2020010100000 f", "MFMT 20200101000000.x f",
		"SITE UTIME f 99999999999999", "SITE UTIME f -1", "EPSV 4294967297", "EPSV -1", "EPSV 0",
		"EPRT |4294967297|127.0.0.1|51201|", "EPRT |1|127.0.0.1|4295018497|",
	} {
		assert.Contains(t, []int{501, 504, 522, 550, 553}, c.do(line), line)
	}
	after, err := fs.Stat(files, "f")
	require.NoError(t, err)
	assert.Equal(t, before.Mode(), after.Mode())
	assert.Equal(t, before.ModTime(), after.ModTime())
}
