package ftp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
)

// TestThreat12Lines: ends of lines, Telnet commands in them, bytes that are refused.
func TestThreat12Lines(t *testing.T) {
	t.Parallel()
	for i, segment := range []int{0, 1, 2, 3, 0, 1, 2, 3} {
		for sent, codes := range map[string]string{
			"NOOP\r\n":                                 "200",
			"NOOP\n":                                   "200",
			"NOOP\r\r\n":                               "200",
			"NOOP\r\r\r\r\n":                           "200",
			"\r\n\n\r\r\n   \r\nNOOP\r\n":              "200",
			"  NOOP\r\n":                               "200",
			"noop\r\nNoOp \r\n":                        "200 200",
			"NOOP\rNOOP\r\n":                           "500",
			"\xff\xf4\xff\xf2NOOP\r\n":                 "200",
			"\xf2NOOP\r\n":                             "200",
			"NO\xff\xf1OP\xff\xf9\r\n":                 "200",
			"\xff\xfb\x01\xff\xfe\x18NOOP\r\n":         "200",
			"NO\xff\xfd\nOP\r\n":                       "200",
			"\xff\xff\xff\xff\xff\xff\xff\r\n":         "",
			"MKD a\xff\xffb\r\nCWD a\xffb\r\n":         "257 250",
			"MKD \xff\r\nCWD \xff\xff\r\n":             "257 250",
			"MKD a\r\x00b\r\nCWD a\rb\r\n":             "257 250",
			"MKD a\x00b\r\n":                           "501",
			"\x00NOOP\r\n":                             "500",
			"NOOP\x00\r\n":                             "500",
			"N\r\nNO\r\nNOO\r\nNOOPS\r\nNOOP":          "500 500 500 500",
			"MKD  x \r\nRMD  x \r\nRMD x\r\n":          "257 250 550",
			strings.Repeat("NOOP\r\n", 2000):           strings.TrimSpace(strings.Repeat("200 ", 2000)),
			strings.Repeat("\xff", 7001) + "\r\n":      "",
			strings.Repeat("\xff\xf4", 9001):           "",
			strings.Repeat("A", 9000) + "\r\nNOOP":     "500",
			strings.Repeat("A", 9000) + "\r\nNOOP\r\n": "500 200",
			"MKD x\r\n" + strings.Repeat("\r", 9000) + "\nRMD x\r\n": "257 500 250",
		} {
			w := newWorld(t, ftp.Config{ShortReads: i > 3})
			c := w.LoginAs("u", "p")
			c.Codes()
			w.Segment = segment
			c.Send(sent)
			w.Run()
			assert.Equal(t, codes, c.Codes(), "%.40q by %d", sent, segment)
		}
	}
}

// TestThreat12Limit: the longest line is obeyed, one byte more is refused, and
// whatever follows is understood again.
func TestThreat12Limit(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{100, 510, 512, 600, 4096} {
		for _, end := range []string{"\n", "\r\n", "\r\r\n"} {
			w := newWorld(t, ftp.Config{LineLength: limit})
			c := w.LoginAs("u", "p")
			line := "NOOP " + strings.Repeat("x", limit-5)
			c.Send(line + end + line + "y" + end + "NOOP\r\n")
			w.Run()
			assert.Equal(t, "501 500 200", c.Codes(), "%d %q", limit, end)
		}
	}
}

// TestThreat12Megabyte: a line of a megabyte is read and dropped; that it costs
// no memory is tested by TestNoAllocation.
func TestThreat12Megabyte(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	part := strings.Repeat("A", 1<<14)
	c.Send("MKD ")
	for range 64 {
		c.Send(part)
		w.Run()
	}
	c.Send("\r\nNOOP\r\n")
	w.Run()
	assert.Equal(t, "500 200", c.Codes())
}

// FuzzLine: how a client's bytes are cut into segments makes no difference.
func FuzzLine(f *testing.F) {
	for _, seed := range seeds(f, "line") {
		f.Add(seed, uint8(1))
		f.Add(seed, uint8(3))
	}
	f.Fuzz(func(t *testing.T, sent string, segment uint8) {
		var told [2]string
		for i := range told {
			w := newWorld(t, ftp.Config{LineLength: 64})
			w.Segment = i * int(segment)
			c := w.Connect()
			c.Send(sent)
			w.Run()
			told[i] = c.Take()
			wellFormed(t, told[i])
			assert.LessOrEqual(t, w.Held(), 1)
		}
		assert.Equal(t, told[0], told[1])
	})
}

// wellFormed checks that text is whole replies as RFC 959 §4.2 has them.
func wellFormed(t testing.TB, text string) {
	code := ""
	for line := range strings.SplitAfterSeq(text, "\n") {
		if line == "" {
			continue
		}
		body, ok := strings.CutSuffix(line, "\r\n")
		assert.True(t, ok, "%q has no end", line)
		for _, b := range []byte(body) {
			assert.True(t, b >= ' ' && b != 0x7f, "control byte in %q", line)
		}
		switch {
		case code != "":
			if strings.HasPrefix(body, code+" ") {
				code = ""
			}
		case assert.Regexp(t, `^[1-5][0-5]\d[ -]`, body):
			if body[3] == '-' {
				code = body[:3]
			}
		}
	}
	assert.Empty(t, code, "a reply has no last line in %q", text)
}

// TestBuffersAtRest: a session has a line buffer only while a line is not whole.
func TestBuffersAtRest(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	assert.Equal(t, "200", c.Code("NOOP"))
	assert.Zero(t, ftp.BufferSizes(w.Engine, c.Handle))
	for _, size := range []int{2, 3000, 9000} {
		c.Send(strings.Repeat("A", size))
		w.Run()
		if size < 4096 {
			assert.Greater(t, ftp.BufferSizes(w.Engine, c.Handle), size)
		}
		c.Send("\r\n")
		w.Run()
		assert.Equal(t, "500", c.Codes())
		assert.Zero(t, ftp.BufferSizes(w.Engine, c.Handle), size)
	}
	w.Room = 100
	c.Send("HELP\r\n")
	w.Run()
	assert.Greater(t, ftp.BufferSizes(w.Engine, c.Handle), 256)
	w.Room = 0
	c.Take()
	w.Run()
	assert.Zero(t, ftp.BufferSizes(w.Engine, c.Handle))
}
