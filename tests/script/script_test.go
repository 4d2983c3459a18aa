package script

import (
	"bufio"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"",
		"# only a comment",
		"== a case without steps",
		"== a\nlogn",
		"== a\n< abc",
		"== a\n>> no quotes",
		"== a\nfile",
		"== a\nfile x",
		"== a\nfile x zeros y",
		"== a\nfile x \"y\" 2020",
		"== a\nreceive lots 3",
		"== a\nend now",
		"== a\nhas-time x 2020",
		"== a\nsession one",
		"== a\nhas-dir x y",
	} {
		_, err := Parse("t.txt", text)
		assert.Error(t, err, "%q", text)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, m := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"a", "a", true}, {"a", "b", false}, {"*", "", true}, {"a*", "ab", true}, {"*b", "ab", true},
		{"a*b", "ab", true}, {"a*b", "acb", true}, {"a*b", "abc", false}, {"ab*ba", "aba", false}, {"*a*a*", "xaxax", true},
		{"*a*a*", "xax", false}, {"a**b", "ab", true},
	} {
		assert.Equal(t, m.want, Match(m.pattern, m.text), "%q %q", m.pattern, m.text)
	}
}

func TestReadReply(t *testing.T) {
	t.Parallel()
	r, err := ReadReply(bufio.NewReader(strings.NewReader("211-a\r\n 211 b\r\n2110 c\r\n211 d\r\n")))
	require.NoError(t, err)
	assert.Equal(t, Reply{211, []string{"a", " 211 b", "2110 c", "d"}}, r)
	for _, text := range []string{"", "2", "200\r\n", "200 ok\n", "200 o\rk\r\n", "2x0 ok\r\n", "200_ok\r\n", "200 ok", "099 x\r\n",
		"211-a\r\n", "211-a\r\n200 b\r\n"} {
		_, err := ReadReply(bufio.NewReader(strings.NewReader(text)))
		assert.Error(t, err, "%q", text)
	}
}

func TestReplyPort(t *testing.T) {
	t.Parallel()
	server := netip.MustParseAddrPort("192.0.2.1:21")
	for _, p := range []struct {
		code       int
		text, want string
	}{
		{227, "Entering Passive Mode (10,0,0,1,4,1).", "10.0.0.1:1025"},
		{227, "Entering, Passive Mode (10,0,0,1,4,1).", ""},
		{227, "Entering Passive Mode 10,0,0,1,4,1", ""},
		{227, "Entering Passive Mode (10,0,0,1,4,256).", ""},
		{229, "Entering Extended Passive Mode (|||1025|)", "192.0.2.1:1025"},
		{229, "Entering Extended Passive Mode (|||1025|).", ""},
		{229, "Entering Extended Passive Mode (|||0|)", ""},
		{229, "Entering Extended Passive Mode (||1025|)", ""},
	} {
		got, err := replyPort(Reply{p.code, []string{p.text}}, server)
		if p.want == "" {
			assert.Error(t, err, p.text)
		} else if assert.NoError(t, err, p.text) {
			assert.Equal(t, p.want, got.String())
		}
	}
}
