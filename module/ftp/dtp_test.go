package ftp_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

// piece is how many bytes of a download the engine reads at a time under TYPE A. Under
// TYPE I it reads twice as many.
const piece = 128 << 10

func TestNoWayToMoveBytes(t *testing.T) {
	t.Parallel()
	neither := struct{ ftp.World }{ftptest.NewWorld(ftp.Config{})}
	assert.Panics(t, func() { ftp.New(neither, ftp.Config{}) })
}

// TestASCIIInPieces: line ends are converted right wherever a piece ends.
func TestASCIIInPieces(t *testing.T) {
	t.Parallel()
	w := newPlainWorld(t, ftp.Config{})
	c := w.LoginAs("u", "p")
	random := rand.New(rand.NewPCG(1, 2))
	for _, text := range []string{
		"", "\n", "\r", "\r\n", "\n\n", "\r\r\n", "\n\r", "a\nb\r\nc\rd", "\r\n\r\n\n\r\r",
		strings.Repeat("\n", piece+1), strings.Repeat("\r\n", piece), strings.Repeat("x", piece/2-1) + "\r\n" +
			strings.Repeat("y", piece) + "\r\nz",
		strings.Repeat("x", piece-2) + "\r\n", strings.Repeat("x", piece-1) + "\r\r\nx",
	} {
		for _, asynchronous := range []bool{false, true} {
			w.Async = nil
			if asynchronous && len(text) < 100 {
				w.Async = random
			}
			w.Put("text", text)
			content, codes := c.Get("RETR text")
			assert.Equal(t, strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n"), content, "%.20q", text)
			assert.Equal(t, "150 226", codes)
			for _, segment := range []int{0, 1, 2} {
				if w.Segment = segment; len(text) > 100 {
					w.Segment *= piece
				}
				assert.Equal(t, "150 226", c.Upload("STOR up", text))
				stored, _ := w.Content("up")
				assert.Equal(t, strings.ReplaceAll(text, "\r\n", "\n"), stored, "%.20q", text)
			}
			w.Segment = 0
		}
	}
}

// TestRangeInPieces: RANG and REST are obeyed wherever a piece ends, and an upload with
// more bytes than its range is not committed.
func TestRangeInPieces(t *testing.T) {
	t.Parallel()
	w := newPlainWorld(t, ftp.Config{})
	c := w.LoginAs("u", "p")
	c.Do("TYPE I")
	big := strings.Repeat("0123456789", piece/5)
	for _, r := range []struct {
		lines      string
		start, end int
	}{{"RANG 0 0", 0, 1}, {"RANG 3 131074", 3, piece + 3}, {"RANG 0 131071", 0, piece}, {"REST 131072", piece, len(big)}} {
		w.Put("big", big)
		c.Do(r.lines)
		content, codes := c.Get("RETR big")
		assert.Equal(t, "150 226", codes)
		require.Equal(t, len(big[r.start:r.end]), len(content), r.lines)
		assert.True(t, big[r.start:r.end] == content, r.lines)
		if r.end == len(big) {
			continue
		}
		news := strings.Repeat("x", r.end-r.start)
		c.Do(r.lines)
		assert.Equal(t, "150 554", c.Upload("STOR big", news+"y"), r.lines)
		stored, _ := w.Content("big")
		assert.True(t, big == stored, "%s: too many bytes were committed", r.lines)
		c.Do(r.lines)
		assert.Equal(t, "150 226", c.Upload("STOR big", news), r.lines)
		stored, _ = w.Content("big")
		assert.True(t, big[:r.start]+news+big[r.end:] == stored, r.lines)
	}
}

// TestBrokenDownload: a download that does not come to its end is reset, however
// it was broken off; one that does is closed.
func TestBrokenDownload(t *testing.T) { eachDTP(t, testBrokenDownload) }

func testBrokenDownload(t *testing.T, newWorld worldMaker) {
	for how, end := range map[string]func(*ftptest.World, *ftptest.Client){
		"ABOR":    func(_ *ftptest.World, c *ftptest.Client) { c.Send("ABOR\r\n") },
		"gone":    func(_ *ftptest.World, c *ftptest.Client) { c.Drop() },
		"stalled": func(w *ftptest.World, _ *ftptest.Client) { w.Advance(41e9) },
	} {
		w := newWorld(t, ftp.Config{StallTime: 20e9})
		w.Put("big", strings.Repeat("x", 3*piece))
		w.Room = 1000
		c := w.LoginAs("u", "p")
		d := w.DialData(c.Passive("EPSV"))
		assert.Equal(t, "150", c.Code("RETR big"))
		end(w, c)
		w.Run()
		assert.True(t, d.Closed() && d.Reset(), how)
	}
	w, c := newWorld.login(t)
	d := w.DialData(c.Passive("EPSV"))
	c.Do("RETR hello.txt")
	assert.True(t, d.Closed() && !d.Reset())
}

// TestStorageFaultInTransfer: a fault of the storage ends the transfer with the
// reply that tells of it.
func TestStorageFaultInTransfer(t *testing.T) {
	t.Parallel()
	for fault, code := range map[ftp.Error]string{ftp.ErrNoSpace: "452", ftp.ErrQuota: "552", ftp.ErrStorage: "451"} {
		w := newPlainWorld(t, ftp.Config{})
		c := w.LoginAs("u", "p")
		w.Fault = func(call, _ string) error {
			if call == "WriteFile" || call == "ReadFile" {
				return fault
			}
			return nil
		}
		assert.Equal(t, "150 "+code, c.Upload("STOR up", "x"))
		assert.NotContains(t, w.Files, "up")
		_, codes := c.Get("RETR hello.txt")
		assert.Equal(t, "150 "+code, codes)
		assert.Equal(t, 1, w.Held())
	}
}

// TestTransfersLeaveRoom: sessions whose transfers never have to wait do not keep
// another one from its reply.
func TestTransfersLeaveRoom(t *testing.T) {
	t.Parallel()
	w := newPlainWorld(t, ftp.Config{})
	w.Put("big", strings.Repeat("x", 100*piece))
	for range 3 {
		c := w.LoginAs("u", "p")
		w.DialData(c.Passive("EPSV"))
		c.Send("RETR big\r\n")
	}
	other := w.LoginAs("u", "p")
	other.Send("NOOP\r\n")
	w.Round()
	assert.Equal(t, "200", other.Codes())
}

// TestBothRepliesInOneWrite: the preliminary reply of a download that has nothing to wait
// for is sent in one write with the reply that ends it, whether it succeeds or fails. If
// the download has to wait, the preliminary reply is sent before.
func TestBothRepliesInOneWrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		command, codes string
		writes         int
		prepare        func(*ftptest.World)
	}{
		{"RETR hello.txt", "150 226", 1, nil},
		{"RETR big", "150 226", 1, nil},
		{"LIST", "150 226", 1, nil},
		{"RETR hello.txt", "150 451", 1, func(w *ftptest.World) {
			w.Fault = func(call, _ string) error {
				if call == "ReadFile" {
					return ftp.ErrStorage
				}
				return nil
			}
		}},
		{"RETR big", "150 226", 2, func(w *ftptest.World) { w.Room = 100_000 }}, // the client has to read first
		{"RETR hello.txt", "150 226", 2, func(w *ftptest.World) { w.Async = rand.New(rand.NewPCG(1, 2)) }},
		{"STAT", "211", 1, nil},
	} {
		w := newPlainWorld(t, ftp.Config{})
		w.Put("big", strings.Repeat("x", 20*piece))
		client := w.LoginAs("u", "p")
		if c.prepare != nil {
			c.prepare(w)
		}
		d := w.DialData(client.Passive("EPSV"))
		client.Writes()
		client.Send(c.command + "\r\n")
		for w.Run(); d.Read() != ""; {
			w.Run()
		}
		assert.Equal(t, c.codes, client.Codes(), c.command)
		assert.Equal(t, c.writes, client.Writes(), c.command)
	}
	w := newPlainWorld(t, ftp.Config{})
	client := w.LoginAs("u", "p")
	port := client.Passive("EPSV")
	assert.Equal(t, "150", client.Code("RETR hello.txt"), "some clients connect only after it")
	d := w.DialData(port)
	w.Run()
	assert.Equal(t, "hello\r\n", d.Read())
	assert.Equal(t, "226", client.Codes())
}

// TestSlowDownload: a download goes on at the pace of a slow client, and does not count
// as stalled.
func TestSlowDownload(t *testing.T) {
	t.Parallel()
	w := newPlainWorld(t, ftp.Config{StallTime: 20e9})
	content := strings.Repeat("0123456789", 2*piece/10)
	w.Put("big", content)
	c := w.LoginAs("u", "p")
	w.Room = 40_000
	c.Do("TYPE I")
	d := w.DialData(c.Passive("EPSV"))
	c.Send("RETR big\r\n")
	var got strings.Builder
	for !d.Closed() {
		w.Advance(19e9)
		assert.NotContains(t, c.Do("STAT"), "No transfer")
		got.WriteString(d.Read())
	}
	got.WriteString(d.Read())
	assert.True(t, got.String() == content)
	assert.Contains(t, c.Codes(), "226")
}

// TestPassiveOnly: an engine whose world cannot connect to clients refuses the verbs for
// that, and FEAT does not list them.
func TestPassiveOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{PassiveOnly: true})
	c := w.LoginAs("u", "p")
	for _, line := range []string{"PORT 192,0,2,7,156,64", "EPRT |1|192.0.2.7|40000|", "LPRT 4,4,192,0,2,7,2,156,64"} {
		assert.Contains(t, c.Do(line), "502 This server cannot connect to clients", line)
	}
	assert.NotContains(t, c.Do("FEAT"), "EPRT")
	content, codes := c.Get("RETR hello.txt")
	assert.Equal(t, "hello\r\n150 226", content+codes)
	assert.Empty(t, w.Attempts)
}
