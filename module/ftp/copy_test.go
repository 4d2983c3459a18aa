package ftp_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

// allowing runs a test with a session of an engine in which all of Allow is on, in a world
// that answers at once and in worlds that let the engine wait.
func allowing(t *testing.T, test func(*ftptest.World, *ftptest.Client)) {
	for seed := range uint64(4) {
		w := newWorld(t, ftp.Config{Allow: allowed, StallTime: 10e9, IdleTime: 300e9})
		asynchronous(w, seed)
		test(w, w.LoginAs("u", "p"))
	}
}

func TestCopy(t *testing.T) {
	t.Parallel()
	allowing(t, func(w *ftptest.World, c *ftptest.Client) {
		w.Put("two words", strings.Repeat("x", 5000))
		for _, line := range []string{
			"503 SITE CPTO new", "350 SITE CPFR two words", "250 SITE CPTO sub/a copy", "503 SITE CPTO new",
			"350 SITE CPFR hello.txt", "200 SITE IDLE", "200 NOOP", "250 SITE CPTO two words",
			"350 SITE CPFR hello.txt", "503 RNTO x", "503 SITE CPTO x", "350 RNFR hello.txt", "503 SITE CPTO x",
			"350 SITE CPFR hello.txt", "250 CWD sub", "503 SITE CPTO new", "250 CWD /",
			"550 SITE CPFR none", "550 SITE CPFR sub", "550 SITE CPFR /", "501 SITE CPFR", "501 SITE CPTO",
			"350 SITE CPFR hello.txt", "553 SITE CPTO hello.txt", "350 SITE CPFR hello.txt", "553 SITE CPTO none/x",
			"350 SITE CPFR hello.txt", "553 SITE CPTO sub",
			"250 SITE COPY hello.txt one", `250 SITE COPY "sub/a copy" "t""wo"`, "501 SITE COPY a b c", "501 SITE COPY a",
			`501 SITE COPY "a b`, `501 SITE COPY "a"b c`,
			"501 SITE COPY hello.txt ./hello.txt", "550 SITE COPY none x", "550 SITE COPY sub x", "553 SITE COPY hello.txt none/x",
			"501 SITE COPY",
		} {
			assert.Equal(t, line[:3], c.Code(line[4:]), line)
		}
		assert.Len(t, w.Files["sub/a copy"].Data, 5000)
		assert.Len(t, w.Files[`t"wo`].Data, 5000)
		assert.Equal(t, "hello\n", string(w.Files["two words"].Data))
		assert.Equal(t, "hello\n", string(w.Files["one"].Data))
		assert.Equal(t, 1, w.Held())
	})
}

// TestCopyLeavesDataConnections: a copy neither needs a data connection nor takes
// one away.
func TestCopyLeavesDataConnections(t *testing.T) {
	t.Parallel()
	allowing(t, func(w *ftptest.World, c *ftptest.Client) {
		d := w.DialData(c.Passive("PASV"))
		assert.Equal(t, "250", c.Code("SITE COPY hello.txt new"))
		assert.Equal(t, "150", c.Code("RETR new"))
		assert.Equal(t, "hello\r\n", d.Read())
		assert.Equal(t, "226", c.Codes())
	})
}

func TestCombine(t *testing.T) {
	t.Parallel()
	allowing(t, func(w *ftptest.World, c *ftptest.Client) {
		w.Put("1", strings.Repeat("1", 2500))
		w.Put("2", "")
		w.Put("number 3", "three")
		assert.Equal(t, "250", c.Code(`COMB sub/all 1 "/2" "number 3"`))
		assert.Equal(t, strings.Repeat("1", 2500)+"three", string(w.Files["sub/all"].Data))
		for _, gone := range []string{"1", "2", "number 3"} {
			assert.NotContains(t, w.Files, gone)
		}
		assert.Equal(t, "250", c.Code("comb sub/all hello.txt"), "what is there stays, in front")
		assert.Equal(t, strings.Repeat("1", 2500)+"threehello\n", string(w.Files["sub/all"].Data))
		before := len(w.Files)
		w.Put("a", "a")
		for _, line := range []string{
			"501 COMB", "501 COMB x", "501 COMB a a", "501 COMB x a ./a", "550 COMB x a none", "550 COMB x a sub", "550 COMB x /",
			"550 COMB / a",
			`501 COMB x "a`, "553 COMB none/x a", "553 COMB sub a",
		} {
			assert.Equal(t, line[:3], c.Code(line[4:]), line)
		}
		assert.Len(t, w.Files, before+1)
		assert.Equal(t, 1, w.Held())
	})
}

// TestThreat35ManyParts: the number of parts and the length of their names are limited,
// since COMB reads them again for each part.
func TestThreat35ManyParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{Allow: allowed})
	c := w.LoginAs("u", "p")
	command := "COMB all"
	for i := range 256 {
		name := fmt.Sprintf("p%d", i)
		w.Put(name, "x")
		command += " " + name
	}
	assert.Contains(t, c.Do(command+" more"), "501 Too many files")
	assert.Equal(t, "250", c.Code(command))
	deep := strings.Repeat("d/", 1900) + "d"
	w.Mkfolder(deep)
	assert.Equal(t, "250", c.Code("CWD "+deep))
	assert.Contains(t, c.Do("COMB"+strings.Repeat(" a b c d", 4)), "501 A file")
	assert.Contains(t, c.Do("COMB a b c d e f g h i j k l m n o p q r s t u v"), "501 Too many files")
}

// TestThreat26CombineLosesNothing: whichever call fails, and whenever the client
// gives up, each part is still there or whole in the target.
func TestThreat26CombineLosesNothing(t *testing.T) {
	t.Parallel()
	parts := map[string]string{"1": strings.Repeat("1", 1500), "2": strings.Repeat("2", 1500), "3": "3"}
	check := func(w *ftptest.World, what string) {
		all, _ := w.Content("all")
		for name, content := range parts {
			_, there := w.Files[name]
			assert.True(t, there || strings.Contains(all, content), "%s: part %s is lost", what, name)
		}
		assert.True(t, strings.HasPrefix(all, "0"), "%s: what was there is lost", what)
	}
	begin := func(seed uint64) (*ftptest.World, *ftptest.Client) {
		w := newWorld(t, ftp.Config{Allow: allowed})
		asynchronous(w, seed)
		w.Put("all", "0")
		for name, content := range parts {
			w.Put(name, content)
		}
		return w, w.LoginAs("u", "p")
	}
	for _, call := range []string{"Stat", "Copy", "Commit", "RemoveFile"} {
		for nth := range 3 {
			w, c := begin(uint64(nth))
			calls := 0
			w.Fault = func(name, _ string) error {
				if name == call {
					if calls++; calls == nth+1 {
						return ftp.ErrNoSpace
					}
				}
				return nil
			}
			reply := c.Do("COMB all 1 2 3")
			assert.Regexp(t, "^45[12] ", reply)
			if call == "Copy" && nth > 0 || call == "Commit" {
				assert.Contains(t, reply, fmt.Sprintf("Parts in the target: %d, deleted: none.", nth))
			}
			check(w, fmt.Sprint(call, nth))
			assert.Equal(t, 1, w.Held())
		}
	}
	random := rand.New(rand.NewPCG(26, 1))
	for range 500 {
		w, c := begin(random.Uint64N(3))
		c.Send("COMB all 1 2 3\r\n")
		for range random.IntN(25) {
			w.Round()
		}
		if random.IntN(2) == 0 {
			c.Drop()
		} else {
			c.Send("ABOR\r\n")
		}
		w.Run()
		check(w, "given up")
	}
}

// TestCopyIsAborted: ABOR ends a copy, also an ABOR that comes while a part is committed.
func TestCopyIsAborted(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"SITE COPY big new", "COMB new big hello.txt", "COMB new hello.txt big"} {
		w := newWorld(t, ftp.Config{Allow: allowed})
		w.Put("big", strings.Repeat("x", 1_000_000))
		c := w.LoginAs("u", "p")
		c.Send(line + "\r\n")
		for range 20 {
			w.Round()
		}
		c.Send("STAT\r\nSIZE big\r\nABOR\r\n")
		w.Run()
		assert.Contains(t, c.Reply(), "Transfer under way")
		assert.Equal(t, "426 226 213", c.Codes(), line)
		assert.Contains(t, w.Files, "big")
		assert.Equal(t, 1, w.Held())
	}
}

func TestTurnedOff(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	for _, line := range []string{"SITE CPFR hello.txt", "SITE CPTO x", "SITE COPY hello.txt x", "SITE RMDIR sub",
		"SITE SYMLINK hello.txt x", "COMB x hello.txt"} {
		assert.Equal(t, "502 Turned off here.", c.Do(line), line)
	}
	assert.Len(t, w.Files, 3)
	assert.NotContains(t, c.Do("FEAT"), "COMB")
	help := c.Do("SITE HELP")
	for _, off := range []string{"CPFR", "CPTO", "COPY", "RMDIR", "SYMLINK"} {
		assert.NotContains(t, help, off)
	}
}
