package ftp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

func connect(w *ftptest.World) *ftptest.Client {
	c := w.Connect()
	w.Run()
	c.Reply()
	return c
}

// TestThreat15Login: odd sequences of login commands let nobody in without the password.
func TestThreat15Login(t *testing.T) {
	t.Parallel()
	for conversation, codes := range map[string]string{
		"USER u|PASS p|PWD":                          "331 230 257",
		"USER u|USER ro|PASS p|MKD x":                "331 331 230 550",
		"USER |USER":                                 "501 501",
		"PASS p|PWD":                                 "503 530",
		"USER u|PASS|PWD":                            "331 530 530",
		"USER u|PASS |PWD":                           "331 530 530",
		"USER u|PASS p\x00|PWD":                      "331 501 530",
		"USER u\x00x|PASS p":                         "501 503",
		"USER none|PASS p":                           "331 530",
		"USER u|PASS p |PWD":                         "331 530 530",
		"USER u|PASS wrong|PASS p|PWD":               "331 530 503 530",
		"USER u|NOOP|PASS p":                         "331 200 230",
		"USER *|PASS *|USER !|PASS !":                "331 530 331 530",
		"USER u|PASS p|USER u|PWD":                   "331 230 331 530",
		"USER u|PASS p|USER ro|PASS x|PWD|MKD y":     "331 230 331 530 530 530",
		"USER u|PASS p|CWD sub|USER ro|PASS p|MKD y": "331 230 250 331 230 550",
		"USER u|PASS p|CWD sub|REIN|PWD|PASS p":      "331 230 250 220 530 503",
		"USER u|PASS p|PASS p|PWD":                   "331 230 503 257",
		"ACCT x|USER u|PASS p|ACCT x":                "503 331 230 202",
		"USER " + strings.Repeat("u", 256):           "501",
	} {
		for _, async := range []uint64{0, 1} {
			w := newWorld(t, ftp.Config{})
			w.Accounts["*"], w.Accounts["!"] = ftptest.Account{}, ftptest.Account{}
			asynchronous(w, async)
			c := connect(w)
			for line := range strings.SplitSeq(conversation, "|") {
				c.Send(line + "\r\n")
			}
			w.Run()
			assert.Equal(t, codes, c.Codes(), conversation)
		}
	}
}

// TestThreat16SameAnswer: an unknown user gets the same replies as a wrong password.
func TestThreat16SameAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{})
	c := connect(w)
	known := c.Do("USER u") + c.Do("PASS wrong")
	assert.Equal(t, known, c.Do("USER nobody")+c.Do("PASS wrong"))
}

// TestThreat17Delay: each failed login is answered later than the one before, the
// commands behind it wait, and after too many the session ends.
func TestThreat17Delay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{FailureDelay: 1e9, LoginFailures: 7})
	c := connect(w)
	for _, delay := range []int64{1e9, 2e9, 4e9, 8e9, 16e9, 30e9, 30e9} {
		c.Send("USER u\r\nPASS wrong\r\nUSER u\r\n")
		w.Advance(delay - 1)
		assert.Equal(t, "331", c.Codes())
		w.Advance(1)
		if w.Held() == 0 {
			assert.Equal(t, "421", c.Codes())
			assert.True(t, c.Closed())
			return
		}
		assert.Equal(t, "530 331", c.Codes())
	}
	assert.Fail(t, "the session goes on")
}

// TestThreat33FailuresStayCounted: neither REIN nor another USER nor a login in
// between starts the count anew.
func TestThreat33FailuresStayCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{LoginFailures: 3})
	c := connect(w)
	for _, between := range []string{"REIN", "USER u"} {
		c.Do("USER u")
		assert.Equal(t, "530", c.Code("PASS wrong"))
		c.Do(between)
	}
	assert.Equal(t, "230", c.Code("PASS p"))
	c.Do("USER ro")
	assert.Equal(t, "421", c.Code("PASS wrong"))
	assert.True(t, c.Closed())
}

// TestThreat33LoginTime: the time to log in does not begin anew with each USER,
// only with a logout.
func TestThreat33LoginTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{LoginTime: 60e9, IdleTime: 50e9})
	c := connect(w)
	for range 2 {
		w.Advance(29e9)
		assert.Equal(t, "331", c.Code("USER u"))
	}
	w.Advance(3e9)
	assert.Equal(t, "421", c.Codes())
	assert.True(t, c.Closed())

	c = connect(w)
	c.Do("USER u")
	c.Do("PASS p")
	for range 3 {
		w.Advance(40e9)
		assert.Equal(t, "200", c.Code("NOOP"))
	}
	c.Do("REIN")
	w.Advance(40e9)
	assert.Equal(t, "200", c.Code("NOOP"))
	w.Advance(40e9)
	assert.Equal(t, "421", c.Codes())
}

func TestLoginFaults(t *testing.T) {
	t.Parallel()
	for fault, code := range map[ftp.Error]string{ftp.ErrTooMany: "421", ftp.ErrStorage: "451", ftp.ErrPermission: "530"} {
		w := newWorld(t, ftp.Config{})
		w.Fault = func(string, string) error { return fault }
		c := connect(w)
		c.Do("USER u")
		assert.Equal(t, code, c.Code("PASS p"))
		assert.Equal(t, code == "421", c.Closed())
	}
}

// TestThreat23OtherProtocols: a session that begins in another protocol is ended at once
// (CVE-2021-3618).
func TestThreat23OtherProtocols(t *testing.T) {
	t.Parallel()
	for _, first := range []string{
		"GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nHost: x\r\n\r\nUSER u\r\nPASS p\r\nDELE hello.txt\r\n", "PUT /x HTTP/1.0\r\n",
		"HEAD / HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n", "CONNECT x:1 HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"EHLO x\r\n", "helo x\r\n", "SSH-2.0-OpenSSH_9.0\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x16\x03",
	} {
		for _, segment := range []int{0, 1} {
			w := newWorld(t, ftp.Config{})
			w.Segment = segment
			c := connect(w)
			c.Send(first)
			w.Run()
			assert.True(t, c.Closed(), first)
			assert.Equal(t, "421 This is an FTP server.\r\n", c.Take(), first)
			assert.Contains(t, w.Files, "hello.txt")
		}
	}
}

// TestThreat23BadVerbs: few bad commands are allowed before a login.
func TestThreat23BadVerbs(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"X-Header: y", "DELE hello.txt", "PASS x"} {
		w := newWorld(t, ftp.Config{})
		c := connect(w)
		for range 100 {
			c.Send(bad + "\r\n")
		}
		c.Send("USER u\r\nPASS p\r\n")
		w.Run()
		codes := strings.Fields(c.Codes())
		assert.Len(t, codes, 10)
		assert.Equal(t, "421", codes[9])
		assert.True(t, c.Closed())
	}
}
