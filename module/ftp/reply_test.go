package ftp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
)

// TestThreat21ReplySplitting: a name that is echoed can neither end a reply nor
// leave its quotes.
func TestThreat21ReplySplitting(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	for name, echoed := range map[string]string{
		`a"b`:              `257 "/a""b" is made.`,
		"a\r\x00b":         `257 "/a?b" is made.`,
		"\x1b]0;x\x07":     `257 "/?]0;x?" is made.`,
		"\xff\xff":         "257 \"/\xff\xff\" is made.",
		"\xc3\xa4":         "257 \"/\xc3\xa4\" is made.",
		"%0d%0a200 x":      `257 "/%0d%0a200 x" is made.`,
		"a\r\x00230 Hi.\r": `257 "/a?230 Hi." is made.`,
	} {
		assert.Equal(t, echoed, c.Do("MKD "+name))
	}
	w.Put("x\ry", "")
	assert.Equal(t, "250", c.Code("CWD a\r\x00b"))
	assert.Equal(t, `257 "/a?b" is the current directory.`, c.Do("PWD"))
	c.Passive("PASV")
	assert.Equal(t, "150 Opening ASCII mode data connection for /x?y (0 bytes).", c.Do("RETR /x\r\x00y"))
	c.Do("USER a\x1b[0m\x80\xff\xff")
	assert.NotContains(t, c.Do("PASS x"), "\x1b")
}

func TestGreeting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{Greeting: "Hello\r\n230 there"})
	c := w.Connect()
	w.Run()
	assert.Equal(t, "220 Hello??230 there", c.Reply())
}
