package ftp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

// TestOneWord: verbs whose argument is one word refuse a second one, but take spaces.
func TestOneWord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{TLS: true, Allow: allowed})
	for _, command := range []string{"HOST ftp.example.org", "AUTH TLS"} {
		c := w.Connect()
		w.Run()
		c.Reply()
		assert.Equal(t, "501", c.Code(command+" x"), command)
		assert.Contains(t, []string{"220", "234"}, c.Code(command+" "), command)
	}
	c := w.Connect()
	w.Run()
	c.Reply()
	assert.Equal(t, "234", c.Code("AUTH TLS"))
	c.Do("USER u")
	assert.Equal(t, "230", c.Code("PASS p"))
	for _, command := range []string{"PBSZ 0", "PROT P", "SSCN ON", "SSCN OFF", "MODE S", "MODE Z", "STRU F", "EPSV 1",
		"EPSV ALL"} {
		assert.Equal(t, "501", c.Code(command+" x"), command)
		assert.Regexp(t, "^2", c.Do(command+" "), command)
	}
	for _, command := range []string{"REST 1 2", "PORT 192,0,2,7,156,64 x", "EPRT |1|192.0.2.7|40000| x",
		"LPRT 4,4,192,0,2,7,2,156,64 x",
		"SITE IDLE 10 x", "SITE UMASK 022 x", "TYPE A N x", "TYPE L 8 8", "OPTS UTF8 ON x"} {
		assert.Equal(t, "501", w.LoginAs("u", "p").Code(command), command)
	}
}

// hostless is a world without virtual hosts, behind a boundary that has the import.
type hostless struct{ *ftptest.World }

func (hostless) Host(ftp.Handle, []byte) error { return ftp.ErrUnsupported }

// TestHostOfNone: without virtual hosts, HOST is not implemented, and FEAT does not list it.
func TestHostOfNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{})
	w.Engine = ftp.New(hostless{w}, ftp.Config{})
	c := w.Connect()
	w.Run()
	c.Reply()
	assert.NotContains(t, c.Do("FEAT"), "HOST")
	assert.Contains(t, c.Do("HELP"), " HOST* ")
	assert.Equal(t, "502", c.Code("HOST ftp.example.org"))
	c.Do("USER u")
	assert.Equal(t, "230", c.Code("PASS p"))
	assert.NotContains(t, c.Do("FEAT"), "HOST")
	assert.Equal(t, "220", c.Code("REIN"))
}
