package ftp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
)

// TestNamesAnew: when the client switches to or from UTF-8, the engine has the current
// directory converted and forgets the name of RNFR.
func TestNamesAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{TLS: true})
	w.Renamed = func(utf8 bool, name string) string {
		if utf8 {
			return strings.ReplaceAll(name, "\xe9", "\u00e9")
		}
		return strings.ReplaceAll(name, "\u00e9", "\xe9")
	}
	w.Mkfolder("caf\xe9")
	c := w.LoginAs("u", "p")
	assert.Equal(t, "250", c.Code("CWD caf\xe9"))
	assert.Equal(t, "350", c.Code("RNFR /hello.txt"))
	assert.Equal(t, "200", c.Code("OPTS UTF8 ON"))
	assert.Equal(t, "257 \"/caf\u00e9\" is the current directory.", c.Do("PWD"))
	assert.Equal(t, "503", c.Code("RNTO x"))
	for _, again := range []string{"OPTS UTF8 ON", "OPTS UTF8", "opts utf-8 on", "OPTS UTF8 NLST"} {
		assert.Equal(t, "200", c.Code(again))
		assert.Contains(t, c.Do("PWD"), "caf\u00e9")
	}
	assert.Equal(t, "200", c.Code("OPTS UTF8 OFF"))
	assert.Equal(t, "257 \"/caf\xe9\" is the current directory.", c.Do("PWD"))

	w.Fault = func(call, _ string) error {
		if call == "Names" {
			return ftp.ErrUnsupported
		}
		return nil
	}
	assert.Equal(t, "200", c.Code("OPTS UTF8 ON"))
	assert.Equal(t, "200", c.Code("OPTS UTF8 OFF"))
	assert.Equal(t, "257 \"/caf\xe9\" is the current directory.", c.Do("PWD"))
	w.Fault = nil

	w.Renamed = func(bool, string) string { return strings.Repeat("x", 5000) }
	assert.Equal(t, "550", c.Code("OPTS UTF8 ON"))
	assert.Equal(t, "257 \"/caf\xe9\" is the current directory.", c.Do("PWD"))
}
