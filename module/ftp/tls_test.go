package ftp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

var offersTLS = ftp.Config{TLS: true}

// TestThreat01InjectionBehindAuth: what came behind AUTH TLS, in one segment or
// in many, is forgotten (CVE-2011-1575).
func TestThreat01InjectionBehindAuth(t *testing.T) {
	t.Parallel()
	for _, segment := range []int{0, 1, 2, 3, 5, 8, 13} {
		for _, end := range []string{"\r\n", "\n"} {
			w := newWorld(t, offersTLS)
			w.Segment = segment
			c := connect(w)
			c.Send("AUTH TLS" + end + "USER u" + end + "PASS p" + end + "PWD" + end)
			w.Run()
			assert.Equal(t, "234", c.Codes(), "%d %q", segment, end)
			assert.Equal(t, "530", c.Code("PWD"))
			assert.Equal(t, "331", c.Code("USER u"))
			assert.Equal(t, "230", c.Code("PASS p"))
		}
	}
}

// TestThreat02StateBeforeAuth: nothing of what was said in the clear counts
// under TLS (RFC 4217 §4).
func TestThreat02StateBeforeAuth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, offersTLS)
	w.Put("a.txt", "1234567890")
	w.Mkfolder("dir")
	c := w.LoginAs("u", "p")
	for _, line := range []string{"TYPE I", "CWD dir", "EPSV ALL", "EPSV", "RNFR /a.txt", "REST 5"} {
		assert.Regexp(t, "^[23]", c.Code(line), line)
	}
	assert.Equal(t, "504", c.Code("AUTH BOGUS"))
	assert.Equal(t, "234", c.Code("AUTH TLS"))
	assert.Equal(t, "503", c.Code("AUTH TLS"))
	assert.Equal(t, "503", c.Code("PASS p"))
	assert.Equal(t, "530", c.Code("RNTO /b.txt"))
	assert.Equal(t, "331", c.Code("USER u"))
	assert.Equal(t, "230", c.Code("PASS p"))
	assert.Equal(t, "503", c.Code("RNTO /b.txt"))
	assert.Contains(t, c.Do("PWD"), `257 "/"`)
	assert.Equal(t, "425", c.Code("RETR a.txt"), "the passive port is gone")
	assert.Equal(t, "227", c.Code("PASV"), "EPSV ALL is gone")
	assert.Equal(t, "503", c.Code("REIN"))
}

func TestProtection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, offersTLS)
	c := connect(w)
	for _, step := range [][2]string{
		{"PBSZ 0", "503"}, {"PROT P", "503"}, {"CCC", "503"}, {"AUTH ssl", "234"}, {"PROT P", "503"},
		{"PBSZ x", "501"}, {"PBSZ 4294967296", "501"}, {"PBSZ 0", "200"}, {"PROT S", "536"}, {"PROT E", "536"},
		{"PROT X", "504"}, {"PROT C", "200"}, {"PROT P", "200"}, {"USER u", "331"}, {"PASS p", "230"}, {"CCC", "534"},
		{"SSCN ON", "502"}, {"CPSV", "502"},
	} {
		assert.Equal(t, step[1], c.Code(step[0]), step[0])
	}
	assert.Contains(t, c.Do("FEAT"), "\r\n AUTH TLS\r\n PBSZ\r\n PROT\r\n")
	assert.NotContains(t, c.Do("FEAT"), " CCC\r\n")
	assert.Equal(t, "502", connect(newWorld(t, ftp.Config{})).Code("AUTH TLS"))
}

// TestCCC: CCC puts only the control connection in the clear. Data connections stay as PROT
// has set them, and nobody on the way can change that (RFC 4217 §6).
func TestCCC(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{TLS: true, Require: ftp.RequireLogin, Allow: ftp.Allow{CCC: true}})
	c := connect(w)
	for _, step := range [][2]string{
		{"CCC", "503"}, {"AUTH TLS", "234"}, {"PBSZ 0", "200"}, {"PROT P", "200"}, {"USER u", "331"}, {"PASS p", "230"},
		{"CCC", "200"}, {"PWD", "257"}, {"PROT C", "503"}, {"PBSZ 0", "503"}, {"CCC", "503"},
	} {
		assert.Equal(t, step[1], c.Code(step[0]), step[0])
	}
	assert.Contains(t, c.Do("FEAT"), "\r\n CCC\r\n")
	listOver(t, w, c, "PASV")
	assert.Equal(t, 1, w.Protected)
	assert.Equal(t, "530", c.Code("USER u"), "a password must not go in the clear")
	assert.Equal(t, "234", c.Code("AUTH TLS"), "TLS again, and all is forgotten")
	assert.Equal(t, "503", c.Code("PROT P"))
	assert.Equal(t, "530", c.Code("PWD"))
}

// TestREINUnderTLS: REIN ends TLS as CCC does, and forgets all else as well.
func TestREINUnderTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{TLS: true, Greeting: "Hello", Allow: ftp.Allow{CCC: true}})
	c := connect(w)
	for _, line := range []string{"AUTH TLS", "PBSZ 0", "PROT P", "USER u", "PASS p", "PASV"} {
		assert.Regexp(t, "^[23]", c.Code(line), line)
	}
	assert.Equal(t, "220 Hello", c.Do("REIN"))
	for _, step := range [][2]string{
		{"PWD", "530"}, {"PROT P", "503"}, {"USER u", "331"}, {"PASS p", "230"}, {"RETR a", "425"}, {"AUTH TLS",
			"234"}, {"PROT P", "503"},
	} {
		assert.Equal(t, step[1], c.Code(step[0]), step[0])
	}
}

// TestThreat01InjectionBehindCCC: what came behind CCC under TLS is forgotten.
func TestThreat01InjectionBehindCCC(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{TLS: true, Allow: ftp.Allow{CCC: true}})
	w.Put("a", "a")
	c := connect(w)
	for _, line := range []string{"AUTH TLS", "USER u", "PASS p"} {
		assert.Regexp(t, "^[23]", c.Code(line))
	}
	c.Send("CCC\r\nDELE a\r\n")
	w.Run()
	assert.Equal(t, "200", c.Codes())
	assert.Equal(t, "213", c.Code("SIZE a"))
}

func TestCCCIsRefusedWhereTLSIsRequired(t *testing.T) {
	t.Parallel()
	for _, require := range []ftp.Requirement{ftp.RequireControl, ftp.RequireTransfer} {
		c := connect(newWorld(t, ftp.Config{TLS: true, Require: require, Allow: ftp.Allow{CCC: true}}))
		assert.Equal(t, "234", c.Code("AUTH TLS"))
		assert.Equal(t, "534", c.Code("CCC"))
		assert.Equal(t, "200", c.Code("PBSZ 0"))
	}
}

// TestJoining: SSCN ON makes us the TLS client on all data connections, CPSV on the next
// one.
func TestJoining(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{TLS: true, Allow: ftp.Allow{SSCN: true, CPSV: true}})
	c := connect(w)
	for _, step := range [][2]string{
		{"AUTH TLS", "234"}, {"PBSZ 0", "200"}, {"USER u", "331"}, {"PASS p", "230"}, {"SSCN ON", "503"}, {"CPSV", "503"},
		{"PROT P", "200"}, {"SSCN x", "504"}, {"SSCN", "200"},
	} {
		assert.Equal(t, step[1], c.Code(step[0]), step[0])
	}
	joined := func(line string) int {
		before := w.Joined
		listOver(t, w, c, line)
		return w.Joined - before
	}
	assert.Equal(t, []int{0, 1, 0}, []int{joined("PASV"), joined("CPSV"), joined("PASV")})
	assert.Equal(t, "227", c.Code("CPSV"))
	assert.Equal(t, 0, joined("PASV"), "PASV takes the place of CPSV")
	assert.Equal(t, "200 SSCN:CLIENT METHOD", c.Do("SSCN ON"))
	assert.Equal(t, []int{1, 1}, []int{joined("PASV"), joined("PASV")})
	assert.Equal(t, "200 SSCN:SERVER METHOD", c.Do("SSCN OFF"))
	assert.Equal(t, 0, joined("PASV"))
	assert.Contains(t, c.Do("FEAT"), "\r\n SSCN\r\n CPSV\r\n")
	assert.Equal(t, "200", c.Code("EPSV ALL"))
	d := w.DialData(c.Passive("EPSV"))
	assert.Equal(t, "503", c.Code("CPSV"))
	assert.Equal(t, "150", c.Code("LIST"))
	assert.Equal(t, 3, w.Joined, "a CPSV that was refused changes nothing")
	d.Close()
}

// listOver has LIST send over a data connection that a verb opens.
func listOver(t *testing.T, w *ftptest.World, c *ftptest.Client, verb string) {
	d := w.DialData(c.Passive(verb))
	c.Send("LIST\r\n")
	w.Run()
	assert.Equal(t, "150 226", c.Codes(), verb)
	d.Close()
}

func TestRequirement(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{TLS: true, Require: ftp.RequireTransfer})
	c := connect(w)
	for _, step := range [][2]string{
		{"USER u", "530"}, {"AUTH TLS", "234"}, {"USER u", "331"}, {"PASS p", "230"}, {"EPSV", "229"}, {"LIST", "521"},
		{"RETR x", "521"}, {"STOR x", "521"}, {"STOU", "521"}, {"PBSZ 0", "200"}, {"PROT C", "534"}, {"PROT P", "200"},
		{"RETR missing", "550"},
	} {
		assert.Equal(t, step[1], c.Code(step[0]), step[0])
	}
}
