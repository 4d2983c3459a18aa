package charset

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCharsetsThatServe(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"windows-1252", "Windows-1251", "ISO-8859-1", "ISO-8859-15", "IBM437", "IBM850", "KOI8-R", "macintosh",
		"Shift_JIS", "EUC-JP", "EUC-KR", "Big5", "GBK", "GB18030", "US-ASCII",
	} {
		c, err := New(name)
		require.NoError(t, err, name)
		assert.NotNil(t, c, name)
	}
	for _, name := range []string{"", "UTF-8", "utf8"} {
		c, err := New(name)
		require.NoError(t, err, name)
		assert.Nil(t, c, name)
	}
	for _, name := range []string{"UTF-16", "UTF-16LE", "IBM037", "IBM1047", "ISO-2022-JP", "HZ-GB-2312"} {
		_, err := New(name)
		assert.ErrorIs(t, err, errCharsetASCII, name)
	}
	for _, name := range []string{"UTF-7", "latin-seventeen", "/"} {
		_, err := New(name)
		assert.ErrorIs(t, err, errCharset, name)
	}
}

func TestCharset(t *testing.T) {
	t.Parallel()
	for _, test := range [][3]string{
		{"windows-1252", "caf\u00e9 \u20ac.txt", "caf\xe9 \x80.txt"},
		{"windows-1252", "\u65e5\u672c/\U0001f600", "%u65E5%u672C/%U0001F600"},
		{"windows-1252", "100%", "100%"},
		{"windows-1252", "%u20AC", "%u20AC"}, // no escape: the set has the euro sign
		{"windows-1251", "%u00E9", "%u0025u00E9"},
		{"windows-1251", "%u00E9%", "%u0025u00E9%"},
		{"windows-1252", "\xff.txt", "%xFF.txt"},
		{"windows-1252", "%xFF", "%u0025xFF"},
		{"windows-1252", "%xff %u12 %uD800 %U0000FFFF %U00110000", "%xff %u12 %uD800 %U0000FFFF %U00110000"},
		{"Shift_JIS", "\u8868/\u30bd.txt", "\x95\\/\x83\\.txt"},       // the last byte of both is a backslash
		{"Shift_JIS", "\u00a5 \u203e \u2212", "%u00A5 %u203E %u2212"}, // unescaped they would come back as others
		{"GBK", "\u4e2d", "\xd6\xd0"},
	} {
		c, err := New(test[0])
		require.NoError(t, err)
		assert.Equal(t, test[2], c.Outgoing(test[1]), test[0])
		name, ok := c.Incoming(test[2])
		assert.True(t, ok, test[2])
		assert.Equal(t, test[1], name, test[0])
	}
	for _, test := range [][2]string{
		{"Shift_JIS", "\x80"}, {"Shift_JIS", "\x95"}, {"Shift_JIS", "\x95/"}, {"Shift_JIS", "\x87\x90"}, // the last: a second spelling
		{"windows-1252", "%xC3%xA9"}, {"windows-1252", "%u0025"}, {"US-ASCII", "\xe9"},
	} {
		c, err := New(test[0])
		require.NoError(t, err)
		name, ok := c.Incoming(test[1])
		assert.False(t, ok, "%s %q is %q", test[0], test[1], name)
	}
}

// TestCharsetLosesNothing: each name has one spelling. Incoming makes the name of it
// again, and it has as many slashes.
func TestCharsetLosesNothing(t *testing.T) {
	t.Parallel()
	parts := []string{"a", "%", "u", "x", "U", "20AC", "00E9", "FF", "0000FFFF", "/", "\\", "\xff", "\xc3", "\xa9", "\u00e9",
		"\u20ac", "\u8868",
		"\u00a5", "\u2252", "\U0001f600", "\ufffd", "\u0081", ".", " "}
	for _, charset := range []string{"windows-1252", "windows-1251", "Shift_JIS", "GB18030", "Big5", "US-ASCII"} {
		c, err := New(charset)
		require.NoError(t, err)
		random := rand.New(rand.NewPCG(1, 2))
		for range 3000 {
			var b strings.Builder
			for range 1 + random.IntN(8) {
				b.WriteString(parts[random.IntN(len(parts))])
			}
			name := b.String()
			shown := c.Outgoing(name)
			back, ok := c.Incoming(shown)
			require.True(t, ok, "%s %q is shown as %q", charset, name, shown)
			require.Equal(t, name, back, "%s %q", charset, shown)
			require.Equal(t, strings.Count(name, "/"), strings.Count(shown, "/"), "%s %q", charset, shown)
		}
	}
}

func FuzzCharset(f *testing.F) {
	for _, seed := range []string{"", "caf\xe9", "\x95\\", "%u20AC", "%xFF", "\x81\x30\x81\x30"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, charset := range []string{"windows-1252", "Shift_JIS", "GB18030"} {
			c, err := New(charset)
			require.NoError(t, err)
			if name, ok := c.Incoming(text); ok && c.Outgoing(name) != text {
				t.Errorf("%s: %q is %q, which is %q", charset, text, name, c.Outgoing(name))
			}
			if back, ok := c.Incoming(c.Outgoing(text)); utf8.ValidString(text) && (!ok || back != text) {
				t.Errorf("%s: %q comes back as %q", charset, text, back)
			}
		}
	})
}
