package ftp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

// behaving runs a test with a session of an engine that behaves as b says, in a world
// that answers at once and in worlds that let the engine wait.
func behaving(t *testing.T, b ftp.Behaviour, test func(*ftptest.World, *ftptest.Client)) {
	for seed := range uint64(3) {
		w := newWorld(t, ftp.Config{Behaviour: b, IdleTime: 300e9})
		asynchronous(w, seed)
		test(w, w.LoginAs("u", "p"))
	}
}

func TestBehaviourOfRepresentation(t *testing.T) {
	t.Parallel()
	behaving(t, ftp.Behaviour{ASCIIVerbatim: true, NoASCIISize: true}, func(_ *ftptest.World, c *ftptest.Client) {
		content, codes := c.Get("RETR hello.txt")
		assert.Equal(t, "hello\n", content)
		assert.Equal(t, "150 226", codes)
		assert.Equal(t, "550", c.Code("SIZE hello.txt"))
		assert.Equal(t, "200", c.Code("TYPE I"))
		assert.Equal(t, "213", c.Code("SIZE hello.txt"))
	})
}

func TestBehaviourOfOffsets(t *testing.T) {
	t.Parallel()
	behaving(t, ftp.Behaviour{NoASCIIRest: true}, func(_ *ftptest.World, c *ftptest.Client) {
		assert.Equal(t, "350", c.Code("REST 0"))
		assert.Equal(t, "504", c.Code("REST 2"))
		for _, line := range []string{"REST 2", "RANG 2 3"} {
			for _, verb := range []string{"RETR", "STOR"} {
				assert.Equal(t, "200", c.Code("TYPE I"))
				assert.Equal(t, "350", c.Code(line))
				assert.Equal(t, "200", c.Code("TYPE A"))
				assert.Equal(t, "504", c.Code(verb+" hello.txt"), line)
			}
		}
		assert.Equal(t, "350", c.Code("RANG 0 4"))
		assert.Contains(t, c.Do("HASH hello.txt"), "213 SHA-256 0-4 ")
		assert.Equal(t, "200", c.Code("TYPE I"))
		assert.Equal(t, "350", c.Code("REST 2"))
		content, codes := c.Get("RETR hello.txt")
		assert.Equal(t, []string{"llo\n", "150 226"}, []string{content, codes})
	})
}

func TestNoModeZ(t *testing.T) {
	t.Parallel()
	behaving(t, ftp.Behaviour{NoModeZ: true}, func(_ *ftptest.World, c *ftptest.Client) {
		assert.NotContains(t, c.Do("FEAT"), "MODE Z")
		assert.Equal(t, "504", c.Code("MODE Z"))
		assert.Equal(t, "501", c.Code("OPTS MODE Z LEVEL 1"))
	})
}

func TestNoHash(t *testing.T) {
	t.Parallel()
	behaving(t, ftp.Behaviour{NoHash: true}, func(_ *ftptest.World, c *ftptest.Client) {
		assert.NotRegexp(t, "HASH|XCRC|XMD5|XSHA", c.Do("FEAT"))
		for _, verb := range []string{"HASH", "XCRC", "XMD5", "XSHA1", "XSHA256", "XSHA512"} {
			assert.Equal(t, "502", c.Code(verb+" hello.txt"), verb)
		}
		assert.Equal(t, "501", c.Code("OPTS HASH SHA-1"))
	})
}

// TestZone: LIST shows a file's time by the zone as it was then, and machine-readable
// times are UTC.
func TestZone(t *testing.T) {
	t.Parallel()
	const hour = 3600e9
	spring, autumn := ftptest.Start-100*hour, ftptest.Start+100*hour
	w := newWorld(t, ftp.Config{Zone: []ftp.ZoneChange{{spring, 14 * hour}, {autumn, -hour}}})
	c := w.LoginAs("u", "p")
	for _, step := range []struct {
		since int64
		line  string
	}{
		{spring - 200*hour, "May 20 14:00"}, {spring - 1, "May 28 21:59"}, {spring, "May 28 22:00"}, {ftptest.Start, "Jun  2 02:00"},
		{autumn - 1, "Jun  6  2024"}, {autumn, "Jun  5  2024"},
	} {
		w.Files["hello.txt"].ModTime = step.since
		listing, _ := c.Get("LIST hello.txt")
		assert.Contains(t, listing, " "+step.line+" hello.txt")
	}
	w.Files["hello.txt"].ModTime = ftptest.Start
	assert.Equal(t, "213 20240601120000", c.Do("MDTM hello.txt"))
	listing, _ := c.Get("MLSD")
	assert.Contains(t, listing, "modify=20240601120000;")
}

func TestBehaviourOfDirectories(t *testing.T) {
	t.Parallel()
	behaving(t, ftp.Behaviour{MkdirExisting: true}, func(_ *ftptest.World, c *ftptest.Client) {
		for _, line := range []string{"257 MKD sub", "257 MKD /", "550 MKD hello.txt", "257 MKD new", "550 MKD a/b",
			"257 SITE MKDIR a/b/c", "257 SITE MKDIR a/b/c"} {
			assert.Equal(t, line[:3], c.Code(line[4:]), line)
		}
	})
	behaving(t, ftp.Behaviour{MakeParents: true}, func(w *ftptest.World, c *ftptest.Client) {
		assert.Equal(t, "257", c.Code("MKD a/b/c"))
		assert.Equal(t, "550", c.Code("MKD a/b/c"))
		assert.Equal(t, "150 226", c.Upload("STOR /x/y/z.txt", "z"))
		assert.Equal(t, "150 226", c.Upload("APPE x/v/w.txt", "z"))
		assert.Contains(t, w.Files, "x/y/z.txt")
		assert.Contains(t, w.Files, "x/v/w.txt")
		assert.Equal(t, "553", c.Upload("STOR hello.txt/in", "z"))
	})
	behaving(t, ftp.Behaviour{}, func(w *ftptest.World, c *ftptest.Client) {
		assert.Equal(t, "550", c.Code("MKD sub"))
		assert.Equal(t, "550", c.Code("MKD a/b"))
		assert.Equal(t, "553", c.Upload("STOR a/b", "z"))
		assert.Equal(t, "550", c.Code("SITE MKDIR sub"))
		assert.Equal(t, "501", c.Code("SITE MKDIR"))
	})
}

func TestBehaviourOfListings(t *testing.T) {
	t.Parallel()
	behaving(t, ftp.Behaviour{EmptyNLSTFails: true, HideDotFiles: true, Owner: "me", Group: "everybody"},
		func(w *ftptest.World, c *ftptest.Client) {
			w.Put("sub/.hidden", "")
			w.Mkfolder("empty")
			for _, listing := range [][3]string{
				{"NLST empty", "", "150 550"}, {"NLST sub", "sub/in.txt\r\n", "150 226"}, {"NLST -a sub",
					"sub/.hidden\r\nsub/in.txt\r\n", "150 226"},
				{"NLST sub/.h*", "sub/.hidden\r\n", "150 226"}, {"NLST none*", "", "150 550"}, {"LIST empty", "", "150 226"},
				{"LIST sub", "-rw-r--r--    1 me       everybody        3 Jun  1 12:00 in.txt\r\n", "150 226"},
			} {
				content, codes := c.Get(listing[0])
				assert.Equal(t, listing[1:], []string{content, codes}, listing[0])
			}
			content, _ := c.Get("MLSD sub")
			assert.Contains(t, content, " .hidden\r\n")
		})
}

func TestSiteIdle(t *testing.T) {
	t.Parallel()
	behaving(t, ftp.Behaviour{}, func(w *ftptest.World, c *ftptest.Client) {
		assert.Equal(t, "200 Idle time is 300 seconds.", c.Do("SITE IDLE"))
		for _, bad := range []string{"301", "0", "-1", "x", "007"} {
			assert.Equal(t, "501", c.Code("SITE IDLE "+bad), bad)
		}
		assert.Equal(t, "200 Idle time is 60 seconds.", c.Do("SITE IDLE 60"))
		w.Advance(61e9)
		assert.Equal(t, "421", c.Codes())
	})
	w, c := login(t)
	assert.Equal(t, "200 No limit to idle time.", c.Do("SITE IDLE"))
	assert.Equal(t, "200", c.Code("SITE IDLE 5"))
	w.Advance(6e9)
	assert.True(t, c.Closed())
}
