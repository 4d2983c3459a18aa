package ftp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
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
		{"PROT X", "504"}, {"PROT C", "200"}, {"PROT P", "200"}, {"USER u", "331"}, {"PASS p", "230"}, {"CCC", "533"},
	} {
		assert.Equal(t, step[1], c.Code(step[0]), step[0])
	}
	assert.Contains(t, c.Do("FEAT"), "\r\n AUTH TLS\r\n PBSZ\r\n PROT\r\n")
	assert.Equal(t, "502", connect(newWorld(t, ftp.Config{})).Code("AUTH TLS"))
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
