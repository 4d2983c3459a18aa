package ftp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

// newWorld is a world with a few files. The test fails if the engine breaks a rule of the
// world.
func newWorld(t testing.TB, config ftp.Config) *ftptest.World {
	return furnish(t, ftptest.NewWorld(config))
}

func furnish(t testing.TB, w *ftptest.World) *ftptest.World {
	w.Put("hello.txt", "hello\n")
	w.Put("sub/in.txt", "in\n")
	t.Cleanup(func() { assert.Empty(t, w.Broken) })
	return w
}

// login is a session of account "u" in a new world.
func login(t testing.TB) (*ftptest.World, *ftptest.Client) { return worldMaker(newWorld).login(t) }

// worldMaker is newWorld or newPlainWorld.
type worldMaker func(testing.TB, ftp.Config) *ftptest.World

func (newWorld worldMaker) login(t testing.TB) (*ftptest.World, *ftptest.Client) {
	w := newWorld(t, ftp.Config{})
	return w, w.LoginAs("u", "p")
}

// newPlainWorld is a world whose engine moves the bytes of files itself.
func newPlainWorld(t testing.TB, config ftp.Config) *ftptest.World {
	return furnish(t, ftptest.NewPlainWorld(config))
}

// eachDTP runs a test with a world that is the server-DTP, and with one whose
// engine is.
func eachDTP(t *testing.T, test func(*testing.T, worldMaker)) {
	t.Parallel()
	for name, newWorld := range map[string]worldMaker{"the world's DTP": newWorld, "the engine's DTP": newPlainWorld} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld)
		})
	}
}

func TestTransfers(t *testing.T) { eachDTP(t, testTransfers) }

func testTransfers(t *testing.T, newWorld worldMaker) {
	w, c := newWorld.login(t)
	content, codes := c.Get("RETR hello.txt")
	assert.Equal(t, "hello\r\n", content)
	assert.Equal(t, "150 226", codes)
	assert.Equal(t, "200", c.Code("TYPE I"))
	content, codes = c.Get("RETR sub/in.txt")
	assert.Equal(t, "in\n", content)
	assert.Equal(t, "150 226", codes)
	assert.Equal(t, "150 226", c.Upload("STOR new", "new\n"))
	stored, ok := w.Content("new")
	require.True(t, ok)
	assert.Equal(t, "new\n", stored)
	content, codes = c.Get("LIST")
	assert.Equal(t, ""+
		"-rw-r--r--    1 ftp      ftp             6 Jun  1 12:00 hello.txt\r\n"+
		"-rw-r--r--    1 ftp      ftp             4 Jun  1 12:00 new\r\n"+
		"drwxr-xr-x    1 ftp      ftp             0 Jun  1 12:00 sub\r\n", content)
	assert.Equal(t, "150 226", codes)
}

func TestTransferNeedsPort(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	for _, verb := range []string{"RETR hello.txt", "STOR x", "STOU", "APPE x", "LIST", "NLST", "MLSD"} {
		assert.Equal(t, "425", c.Code(verb), verb)
	}
	// A command that failed leaves the port to the next one.
	d := w.DialData(c.Passive("PASV"))
	assert.Equal(t, "550", c.Code("RETR none"))
	assert.Equal(t, "150", c.Code("RETR hello.txt"))
	assert.Equal(t, "hello\r\n", d.Read())
	assert.Equal(t, "226", c.Codes())
	assert.Equal(t, "425", c.Code("RETR hello.txt"))
}

func TestPassive(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	first := c.Passive("PASV")
	second := c.Passive("EPSV")
	assert.Nil(t, w.DialData(first), "a second port closes the first")
	c.Listen(40000)
	assert.Equal(t, "200", c.Code("PORT 192,0,2,7,156,64"))
	assert.Nil(t, w.DialData(second), "PORT closes the passive port")
	// The client may connect after the verb.
	port := c.Passive("EPSV 1")
	assert.Equal(t, "150", c.Code("NLST"))
	d := w.DialData(port)
	w.Run()
	assert.Equal(t, "hello.txt\r\nsub\r\n", d.Read())
	assert.Equal(t, "226", c.Codes())
	assert.Nil(t, w.DialData(port))
	w.Fault = func(string, string) error { return ftp.ErrTooMany }
	assert.Equal(t, "425", c.Code("PASV"))
	assert.Equal(t, "425", c.Code("EPSV"))
	assert.Equal(t, "425", c.Code("LIST"))
}

// TestThreat05TwoConnections: if two data connections came, neither is trusted.
func TestThreat05TwoConnections(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	port := c.Passive("PASV")
	a, b := w.DialData(port), w.DialData(port)
	assert.Equal(t, "150", c.Code("RETR hello.txt"))
	assert.Equal(t, "425", c.Codes())
	assert.Empty(t, a.Read()+b.Read())
	content, codes := c.Get("RETR hello.txt")
	assert.Equal(t, "hello\r\n150 226", content+codes)
}

// TestThreat08EPSVAll: after EPSV ALL nothing else is taken, whatever happens,
// until REIN (ProFTPD bug 2255).
func TestThreat08EPSVAll(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	others := func(code string) {
		for _, line := range []string{"PORT 192,0,2,7,156,64", "EPRT |1|192.0.2.7|40000|", "PASV"} {
			assert.Equal(t, code, c.Code(line), line)
		}
	}
	assert.Equal(t, "200", c.Code("epsv all"))
	others("503")
	d := w.DialData(c.Passive("EPSV"))
	assert.Equal(t, "150", c.Code("STOR x"))
	assert.Equal(t, "426", c.Code("ABOR"))
	assert.Equal(t, "226", c.Codes())
	assert.True(t, d.Closed())
	others("503")
	c.Do("USER u")
	c.Do("PASS p")
	others("503")
	c.Do("REIN")
	c.Do("USER u")
	c.Do("PASS p")
	assert.Equal(t, "200", c.Code("PORT 192,0,2,7,156,64"))
	assert.Equal(t, "227", c.Code("PASV"))
}

func TestUploads(t *testing.T) { eachDTP(t, testUploads) }

func testUploads(t *testing.T, newWorld worldMaker) {
	for _, async := range []uint64{0, 1, 2, 3} {
		w, c := newWorld.login(t)
		asynchronous(w, async)
		c.Do("TYPE I")
		content := func(name string) string {
			text, ok := w.Content(name)
			assert.True(t, ok, name)
			return text
		}
		assert.Equal(t, "150 226", c.Upload("STOR a", "one"))
		assert.Equal(t, "150 226", c.Upload("STOR a", ""))
		assert.Equal(t, "", content("a"))
		assert.Equal(t, "150 226", c.Upload("APPE a", "two"))
		assert.Equal(t, "150 226", c.Upload("APPE a", "three"))
		assert.Equal(t, "twothree", content("a"))
		assert.Equal(t, "150 226", c.Upload("APPE b", "new"))
		assert.Equal(t, "350", c.Code("REST 3"))
		assert.Equal(t, "150 226", c.Upload("STOR a", "THREE"))
		assert.Equal(t, "twoTHREE", content("a"))
		for line, code := range map[string]string{"STOR sub": "553", "STOR none/x": "553", "STOR": "501", "APPE sub": "553"} {
			c.Passive("PASV")
			assert.Equal(t, code, c.Code(line), line)
		}
		for _, proposed := range []string{"", "", "fresh", "a", "a"} {
			before := len(w.Files)
			d := w.DialData(c.Passive("EPSV"))
			reply := c.Do("STOU " + proposed)
			name, ok := strings.CutPrefix(reply, "150 FILE: ")
			assert.True(t, ok, reply)
			d.Write("unique")
			d.Close()
			w.Run()
			assert.Equal(t, "226", c.Codes())
			assert.Len(t, w.Files, before+1)
			assert.Equal(t, "unique", content(name))
		}
		assert.Contains(t, w.Files, "fresh")
		assert.Contains(t, w.Files, "a.2")
		assert.Equal(t, "twoTHREE", content("a"))
	}
}

// TestThreat24Restart: which offsets are taken, how long they hold, and what
// they do to each transfer.
func TestThreat24Restart(t *testing.T) { eachDTP(t, testThreat24Restart) }

func testThreat24Restart(t *testing.T, newWorld worldMaker) {
	w, c := newWorld.login(t)
	c.Do("TYPE I")
	for _, bad := range []string{"", " ", "-1", "+1", "1e9", "1 0", " 1", "1 ", "0x10", "9223372036854775808",
		"18446744073709551616",
		"99999999999999999999999999", "1.0", "\u0661"} {
		assert.Equal(t, "501", c.Code("REST "+bad), bad)
	}
	assert.Equal(t, "501", c.Code("REST"))
	get := func(before ...string) string {
		for _, line := range before {
			c.Do(line)
		}
		content, codes := c.Get("RETR hello.txt")
		return content + codes
	}
	assert.Equal(t, "lo\n150 226", get("REST 3"))
	assert.Equal(t, "hello\n150 226", get(), "it holds once")
	assert.Equal(t, "lo\n150 226", get("REST 3", "NOOP", "SIZE hello.txt", "TYPE I", "MDTM hello.txt", "PWD"))
	assert.Equal(t, "hello\n150 226", get("REST 3", "CWD /"))
	assert.Equal(t, "hello\n150 226", get("REST 3", "RETR none"))
	assert.Equal(t, "hello\n150 226", get("REST 3", "REST 0"))
	assert.Equal(t, "lo\n150 226", get("REST 3", "REST x"), "a bad REST changes nothing")
	assert.Equal(t, "150 226", get("REST 6"))
	assert.Equal(t, "554", get("REST 7"))
	assert.Equal(t, "554", get("REST 9223372036854775807"))
	assert.Equal(t, "hello\n150 226", get(), "a refused one is gone")
	c.Do("REST 2")
	assert.Equal(t, "150 226", c.Upload("APPE hello.txt", "!"))
	assert.Equal(t, "hello\n!", string(w.Files["hello.txt"].Data), "APPE goes to the end")
	c.Do("REST 2")
	_, codes := c.Get("LIST")
	assert.Equal(t, "150 226", codes)
	assert.Equal(t, "hello\n!150 226", get())
}

func TestAbort(t *testing.T) { eachDTP(t, testAbort) }

func testAbort(t *testing.T, newWorld worldMaker) {
	w, c := newWorld.login(t)
	w.Put("big", strings.Repeat("x", 100_000))
	w.Room = 1000
	assert.Equal(t, "225", c.Code("ABOR"))
	port := c.Passive("PASV")
	assert.Equal(t, "226", c.Code("ABOR"))
	assert.Nil(t, w.DialData(port))
	for _, abort := range []string{"ABOR\r\n", "\xff\xf4\xff\xf2ABOR\r\n", "AB\xff\xf2OR\r\n", "\xf2ABOR\r\n", "abor\n"} {
		for _, verb := range []string{"RETR big", "STOR up", "APPE hello.txt", "LIST"} {
			d := w.DialData(c.Passive("EPSV"))
			if verb == "LIST" {
				w.Room = 20
			}
			c.Send(verb + "\r\n")
			w.Run()
			d.Write("part")
			w.Run()
			c.Send(abort)
			w.Run()
			w.Room = 1000
			w.Run()
			c.Take()
			w.Run()
			c.Take()
			assert.True(t, d.Closed(), "%s %q", verb, abort)
			assert.Equal(t, "200", c.Code("NOOP"))
			assert.Equal(t, 1, w.Held())
		}
	}
	assert.NotContains(t, w.Files, "up")
	assert.Equal(t, "hello\n", string(w.Files["hello.txt"].Data))
}

// During a transfer ABOR, STAT, NOOP and QUIT are answered at once, in their
// order; behind a command that has to wait, only ABOR is.
func TestDuringTransfer(t *testing.T) { eachDTP(t, testDuringTransfer) }

func testDuringTransfer(t *testing.T, newWorld worldMaker) {
	w, c := newWorld.login(t)
	d := w.DialData(c.Passive("PASV"))
	assert.Equal(t, "150", c.Code("STOR up"))
	d.Write("12345")
	w.Run()
	assert.Contains(t, c.Do("STAT"), " 5 bytes so far\r\n")
	assert.Equal(t, "200", c.Code("NOOP"))
	assert.Empty(t, c.Do("PWD"))
	assert.Empty(t, c.Do("NOOP"), "it comes behind PWD")
	assert.Empty(t, c.Do("STAT hello.txt"))
	c.Send("\xff\xf4\xff\xf2ABOR\r\nSYST\r\n")
	w.Run()
	assert.Equal(t, "426 226 257 200 213 215", c.Codes())
	assert.NotContains(t, w.Files, "up")
}

func TestPipelinedTransfers(t *testing.T) { eachDTP(t, testPipelinedTransfers) }

func testPipelinedTransfers(t *testing.T, newWorld worldMaker) {
	for _, async := range []uint64{0, 5} {
		w, c := newWorld.login(t)
		asynchronous(w, async)
		c.Send("PASV\r\nRETR hello.txt\r\nPASV\r\nRETR sub/in.txt\r\nSYST\r\n")
		w.Run()
		for _, want := range []string{"hello\r\n", "in\r\n"} {
			reply := c.Reply()
			assert.Equal(t, "227", reply[:3])
			assert.Equal(t, "150", c.Reply()[:3])
			d := w.DialLast()
			w.Run()
			assert.Equal(t, want, d.Read())
			assert.Equal(t, "226", c.Reply()[:3])
		}
		assert.Equal(t, "215", c.Codes())
	}
}

// More lines than the buffer holds wait behind a transfer without being lost.
func TestManyHeldLines(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	d := w.DialData(c.Passive("PASV"))
	c.Do("STOR up")
	c.Send(strings.Repeat("PWD\r\n", 5000))
	w.Run()
	assert.Empty(t, c.Codes())
	d.Close()
	w.Run()
	assert.Equal(t, "226"+strings.Repeat(" 257", 5000), c.Codes())
}

func TestDataTimes(t *testing.T) { eachDTP(t, testDataTimes) }

func testDataTimes(t *testing.T, newWorld worldMaker) {
	w := newWorld(t, ftp.Config{DataTime: 10e9, StallTime: 20e9, IdleTime: 15e9})
	c := w.LoginAs("u", "p")
	c.Passive("PASV")
	assert.Equal(t, "150", c.Code("STOR up"))
	w.Advance(9e9)
	assert.Empty(t, c.Codes())
	w.Advance(1e9)
	assert.Equal(t, "425", c.Codes())

	d := w.DialData(c.Passive("PASV"))
	c.Do("STOR up")
	for range 3 {
		d.Write("x")
		w.Advance(19e9)
		assert.Empty(t, c.Codes())
	}
	codes := ""
	for seconds := 0; codes == "" && seconds <= 40; seconds++ { // a world's progress is looked at now and then
		w.Advance(1e9)
		codes = c.Codes()
	}
	assert.Equal(t, "426", codes)
	assert.True(t, d.Closed())
	assert.NotContains(t, w.Files, "up")

	d = w.DialData(c.Passive("PASV"))
	w.Room = 60
	c.Send("LIST\r\n")
	w.Advance(19e9)
	c.Take()
	d.Read()
	w.Advance(2e9)
	c.Take()
	assert.False(t, d.Closed())
	w.Advance(20e9)
	assert.True(t, d.Closed())
}

// TestTransferFaults: each fault of a commit has its reply, and so has a broken data
// connection.
func TestTransferFaults(t *testing.T) { eachDTP(t, testTransferFaults) }

func testTransferFaults(t *testing.T, newWorld worldMaker) {
	for fault, code := range map[ftp.Error]string{
		ftp.ErrNoSpace: "452", ftp.ErrQuota: "552", ftp.ErrStorage: "451", ftp.ErrPermission: "550", ftp.ErrCanceled: "426",
		ftp.ErrTimeout: "426", ftp.ErrExist: "553", ftp.ErrNotExist: "553", ftp.ErrName: "553", ftp.ErrIsDir: "553",
		ftp.ErrBusy: "450", ftp.ErrTooMany: "450", ftp.ErrReset: "451", ftp.ErrRefused: "451", ftp.ErrUnsupported: "451",
	} {
		w, c := newWorld.login(t)
		w.Fault = func(call, _ string) error {
			if call == "Commit" {
				return fault
			}
			return nil
		}
		assert.Equal(t, "150 "+code, c.Upload("STOR up", "x"), fault.Error())
		assert.NotContains(t, w.Files, "up")
		assert.Equal(t, 1, w.Held())
	}
	w, c := newWorld.login(t)
	d := w.DialData(c.Passive("PASV"))
	c.Do("STOR up")
	d.Drop()
	w.Run()
	assert.Equal(t, "426", c.Codes())
	assert.NotContains(t, w.Files, "up")
}
