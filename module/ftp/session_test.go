package ftp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
)

func TestQuit(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	c.Send("NOOP\r\nQUIT\r\nNOOP\r\n")
	w.Run()
	assert.Equal(t, "200 221", c.Codes())
	assert.True(t, c.Closed())
	assert.Zero(t, w.Held())
}

func TestQuitDuringTransfer(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	d := w.DialData(c.Passive("EPSV"))
	assert.Equal(t, "150", c.Code("STOR up"))
	assert.Equal(t, "221", c.Code("QUIT"))
	c.Hang()
	d.Write("x")
	w.Run()
	assert.False(t, c.Closed())
	d.Close()
	w.Run()
	assert.Equal(t, "226", c.Codes())
	assert.True(t, c.Closed())
	assert.Contains(t, w.Files, "up")
	assert.Zero(t, w.Held())
}

// TestThreat26Disconnect: a client that goes away in the middle of an upload
// leaves nothing of it.
func TestThreat26Disconnect(t *testing.T) {
	t.Parallel()
	for _, drop := range []bool{false, true} {
		w, c := login(t)
		d := w.DialData(c.Passive("PASV"))
		c.Do("STOR up")
		d.Write("part")
		w.Run()
		if drop {
			c.Drop()
		} else {
			c.Hang()
		}
		w.Run()
		assert.True(t, c.Closed())
		assert.True(t, d.Closed())
		assert.NotContains(t, w.Files, "up")
		assert.Zero(t, w.Held())
	}
}

// Commands that came before the client closed its side are obeyed.
func TestCommandsBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for _, async := range []uint64{0, 1} {
		w, c := login(t)
		asynchronous(w, async)
		c.Send("MKD a\r\nMKD b\r\nDELE hello.txt\r\nPWD")
		c.Hang()
		w.Run()
		assert.Equal(t, "257 257 250", c.Codes())
		assert.Zero(t, w.Held())
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{IdleTime: 10e9})
	c := w.LoginAs("u", "p")
	for range 5 {
		w.Advance(9e9)
		assert.Equal(t, "200", c.Code("NOOP"))
	}
	w.Advance(10e9)
	assert.Equal(t, "421", c.Codes())
	assert.Zero(t, w.Held())
}

// A running transfer is life: the idle time begins when it has ended.
func TestIdleDuringTransfer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{IdleTime: 10e9, StallTime: 30e9})
	c := w.LoginAs("u", "p")
	d := w.DialData(c.Passive("PASV"))
	c.Do("STOR up")
	for range 10 {
		w.Advance(29e9)
		d.Write("x")
		w.Run()
	}
	d.Close()
	w.Run()
	assert.Equal(t, "226", c.Codes())
	w.Advance(9e9)
	assert.False(t, c.Closed())
	w.Advance(2e9)
	assert.True(t, c.Closed())
}

func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{})
	idle, busy := w.LoginAs("u", "p"), w.LoginAs("u", "p")
	d := w.DialData(busy.Passive("PASV"))
	busy.Do("STOR up")
	w.Emit(ftp.Event{Kind: ftp.EventDrain})
	w.Run()
	assert.Equal(t, "421", idle.Codes())
	assert.True(t, idle.Closed())
	assert.False(t, busy.Closed())
	late := w.Connect()
	w.Run()
	assert.Equal(t, "421", late.Codes())
	d.Write("x")
	d.Close()
	w.Run()
	assert.Equal(t, "226 421", busy.Codes())
	assert.Contains(t, w.Files, "up")
	assert.Zero(t, w.Held())
}

// A drain of one session leaves the others alone, and later ones too.
func TestDrainOfOneSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{})
	idle, busy, other := w.LoginAs("u", "p"), w.LoginAs("u", "p"), w.LoginAs("u", "p")
	d := w.DialData(busy.Passive("PASV"))
	busy.Do("STOR up")
	for _, c := range []ftp.Handle{idle.Handle, busy.Handle, 9999} {
		w.Emit(ftp.Event{Kind: ftp.EventDrain, Session: c})
	}
	w.Run()
	assert.Equal(t, "421", idle.Codes())
	assert.True(t, idle.Closed())
	d.Write("x")
	busy.Send("NOOP\r\nMKD new\r\n")
	w.Run()
	assert.Equal(t, "200", busy.Codes())
	d.Close()
	w.Run()
	assert.Equal(t, "226 421", busy.Codes())
	assert.Contains(t, w.Files, "up")
	assert.NotContains(t, w.Files, "new")
	other.Do("NOOP")
	w.LoginAs("u", "p").Do("NOOP")
	assert.False(t, other.Closed())
}

// The engine does not read commands from a client that does not read its replies, so
// that few replies pile up. The client gets all of them in the end.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	w.Room = 100
	const many = 500
	for range many {
		c.Send("HELP\r\n")
	}
	total := ""
	for {
		w.Run()
		part := c.Take()
		if part == "" {
			break
		}
		assert.LessOrEqual(t, len(part), 100)
		total += part
	}
	wellFormed(t, total)
	assert.Equal(t, many, strings.Count(total, "214 End."))
}

func TestSlowReaderIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{IdleTime: 10e9})
	c := w.LoginAs("u", "p")
	w.Room = 10
	c.Send(strings.Repeat("HELP\r\n", 100) + "QUIT\r\n")
	w.Advance(11e9)
	assert.True(t, c.Closed())
	assert.Zero(t, w.Held())
}

// Events that come too late, for handles and sessions that are gone, do nothing.
func TestStaleEvents(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	content, codes := c.Get("RETR hello.txt")
	assert.Equal(t, "hello\r\n150 226", content+codes)
	for kind := ftp.EventReadable; kind <= ftp.EventTransfer; kind++ {
		for _, h := range []ftp.Handle{0, 1, 2, 3, 4, 5, 999} {
			w.Emit(ftp.Event{Kind: kind, Session: c.Handle, Handle: h, Err: ftp.ErrReset})
			w.Emit(ftp.Event{Kind: kind, Session: 999, Handle: h})
			w.Emit(ftp.Event{Kind: kind})
		}
	}
	w.Run()
	assert.Equal(t, "200", c.Code("NOOP"))
}

func TestManySessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{IdleTime: 100e9})
	for i := range 300 {
		c := w.LoginAs("u", "p")
		w.Advance(int64(i%7) * 1e9)
		if i%3 == 0 {
			c.Do("QUIT")
		}
	}
	w.Advance(100e9)
	assert.Zero(t, w.Held())
}
