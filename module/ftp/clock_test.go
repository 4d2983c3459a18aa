package ftp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

// TestClockSet: setting the wall clock changes the times that LIST shows, but no limit of
// time.
func TestClockSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{IdleTime: 60e9})
	c := w.LoginAs("u", "p")
	listed := func(name string) string {
		line, _ := c.Get("LIST " + name)
		return line
	}
	later := ftptest.Start + int64(2*365*24*time.Hour) // 2026-06-01 12:00
	w.Put("old", "").ModTime = ftptest.Start
	w.Put("new", "").ModTime = later - int64(time.Hour)
	w.Put("just now", "").ModTime = later + int64(time.Second)
	w.Put("future", "").ModTime = later + int64(time.Hour)
	assert.Contains(t, listed("old"), " Jun  1 12:00 old")
	assert.Contains(t, listed("new"), " Jun  1  2026 new")

	w.Emit(ftp.Event{Kind: ftp.EventClock, Time: later})
	assert.Contains(t, listed("old"), " Jun  1  2024 old")
	assert.Contains(t, listed("new"), " Jun  1 11:00 new")
	assert.Contains(t, listed("just now"), " Jun  1 12:00 just now")
	assert.Contains(t, listed("future"), " Jun  1  2026 future")

	w.Advance(59e9)
	assert.False(t, c.Closed(), "a clock that is set makes nobody idle")
	w.Advance(1e9)
	assert.Equal(t, "421", c.Codes())

	// The clock is set back.
	c = w.LoginAs("u", "p")
	w.Emit(ftp.Event{Kind: ftp.EventClock, Time: ftptest.Start})
	assert.Contains(t, listed("old"), " Jun  1 12:00 old")
	w.Advance(59e9)
	assert.False(t, c.Closed())
	w.Advance(1e9)
	assert.Equal(t, "421", c.Codes())
}

// TestClockOfAListing: a listing does not take a file for one of the future that was
// written after its beginning.
func TestClockOfAListing(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	for n := range 300 {
		w.Put(fmt.Sprintf("%0100d", n), "")
	}
	w.Put("z", "").ModTime = w.Now + int64(time.Minute)
	d := w.DialData(c.Passive("EPSV"))
	w.Page, w.Room = 1, 1000
	c.Send("LIST\r\n")
	w.Advance(int64(time.Minute))
	w.Room = 0
	var all strings.Builder
	for piece := d.Read(); piece != ""; piece = d.Read() {
		all.WriteString(piece)
		w.Run()
	}
	assert.Regexp(t, " Jun  1 12:01 z\r\n$", all.String())
}

// TestClockOfUniqueNames: STOU makes its name from the wall clock's time.
func TestClockOfUniqueNames(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	w.Emit(ftp.Event{Kind: ftp.EventClock, Time: 36 * 36 * 36 * 1e6})
	d := w.DialData(c.Passive("EPSV"))
	assert.Equal(t, "150 FILE: stou-1000", c.Do("STOU"))
	d.Close()
	w.Run()
}

// TestEnterClosedDirectory: a directory that is closed to the account does not become
// the current one.
func TestEnterClosedDirectory(t *testing.T) {
	t.Parallel()
	for _, async := range []uint64{0, 1} {
		w, c := login(t)
		asynchronous(w, async)
		w.Put("open/closed/file", "")
		w.Fault = func(call, name string) error {
			if call == "Enter" && name == "open/closed" {
				return ftp.ErrPermission
			}
			return nil
		}
		assert.Equal(t, "250", c.Code("CWD open"))
		for _, command := range []string{"CWD closed", "XCWD closed", "CWD /open/closed/", "CWD ../open/closed"} {
			assert.Equal(t, "550 Permission denied.", c.Do(command), command)
			assert.Contains(t, c.Do("PWD"), `"/open"`)
		}
		assert.Equal(t, "550 Not a directory.", c.Do("CWD ../hello.txt"))
		assert.Equal(t, "550 No such file or directory.", c.Do("CWD none"))
		w.Fault = nil
		assert.Equal(t, "250", c.Code("CWD closed"))
		w.Fault = func(call, name string) error {
			if call == "Enter" && name == "open" {
				return ftp.ErrStorage
			}
			return nil
		}
		assert.Equal(t, "451", c.Code("CDUP"))
		assert.Equal(t, "451", c.Code("XCUP"))
		assert.Contains(t, c.Do("PWD"), `"/open/closed"`)
	}
}
