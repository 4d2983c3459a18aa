package ftp_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

// limits are time-outs that a play can run into.
var limits = ftp.Config{LoginTime: 60e9, IdleTime: 60e9, StallTime: 20e9, DataTime: 10e9, FailureDelay: 1e9,
	LoginFailures: 5, Allow: allowed}

// player is a client whose moves are drawn at random, or by a fuzzer.
type player struct {
	w     *ftptest.World
	c     *ftptest.Client
	data  *ftptest.Data
	told  string
	moved int
}

// TestThreat27Races: whatever the order in which a client's commands, its data
// connection's bytes and ends, and the storage's answers come, the session ends
// well: each command has its replies, an upload is whole or not there, and
// nothing stays open (CVE-2020-9273, CVE-2024-11144).
func TestThreat27Races(t *testing.T) {
	t.Parallel()
	plays := []struct{ lines, codes string }{
		{"LIST|ABOR|QUIT", `^(150 (226 22[56]|425 225|426 226) 221|150 221 (226|425|426))$`},
		{"RETR big|ABOR|QUIT", `^150 (226 225|425 225|426 226) 221$`},
		{"RETR big|QUIT", `^150 (226 221|221 226|425 221|221 425|426 221|221 426)$`},
		{"STOR up|ABOR|QUIT", `^150 (226 225|425 225|426 226) 221$`},
		{"STOR up|NOOP|STAT|ABOR|NOOP|QUIT", `^150 .*221$`},
		{"STOU|ABOR|ABOR|QUIT", `^150 .*22[56] 225 221$`},
		{"STAT many|ABOR|QUIT", `^213 22[56] 221$`},
		{"APPE up|RETR up|ABOR|QUIT", `^150 .* 221$`},
		{"SITE CPFR big|SITE CPTO copy|ABOR|QUIT", `^350 (250 22[56]|426 226) 221$`},
		{"COMB copy many/0 big many/1|ABOR|STAT|QUIT", `^(250 22[56]|426 226) 211 221$`},
		{"SITE COPY big copy|QUIT", `^(250 221|221 250)$`},
	}
	const rounds = 1500
	for i, p := range plays {
		random := rand.New(rand.NewPCG(27, uint64(i)))
		for range rounds {
			w := raceWorld(t, random)
			codes, broken := race(w, random, strings.Split(p.lines, "|"), false)
			require.Regexp(t, p.codes, codes, p.lines)
			require.Empty(t, broken)
		}
		// The same with a client that goes away at any moment.
		for range rounds {
			_, broken := race(raceWorld(t, random), random, strings.Split(p.lines, "|"), true)
			require.Empty(t, broken)
		}
	}
}

func raceWorld(t testing.TB, random *rand.Rand) *ftptest.World {
	w := []worldMaker{newWorld, newPlainWorld}[random.IntN(2)](t, limits)
	w.Put("big", strings.Repeat("0123456789", 50))
	w.Put("up", "before")
	for i := range 5 {
		w.Put(fmt.Sprintf("many/%d", i), "")
	}
	if random.IntN(2) == 0 {
		w.Async = random
	}
	w.Page = 1 + random.IntN(3)
	return w
}

// race lets the lines, the data and the world's answers come in a random order. It
// returns the codes of the replies, and what was wrong in the end; "" is nothing.
func race(w *ftptest.World, random *rand.Rand, lines []string, drops bool) (codes, broken string) {
	c := w.LoginAs("u", "p")
	d := w.DialData(c.Passive("PASV"))
	w.Room = 100 + random.IntN(400)
	const upload = "whole file"
	left, told := upload, ""
	for step := 0; len(lines) > 0 || left != ""; step++ {
		switch random.IntN(8) {
		case 0, 1:
			if len(lines) > 0 {
				c.Send(lines[0] + "\r\n")
				lines = lines[1:]
			}
		case 2:
			if left != "" {
				d.Write(left[:1])
				left = left[1:]
			}
			if left == "" {
				d.Close()
			}
		case 3:
			d.Read()
			told += c.Take()
		case 4:
			if drops && random.IntN(10) == 0 {
				c.Drop()
				lines, left = nil, ""
			}
		default:
			w.Round()
		}
	}
	d.Close()
	for range 100 {
		w.Run()
		d.Read()
		told += c.Take()
	}
	w.Run()
	if !c.Closed() || w.Held() > 0 {
		broken = fmt.Sprintf("%d handles stay open after %q", w.Held(), told)
	}
	if up, _ := w.Content("up"); up != "before" && up != upload && up != "before"+upload {
		broken += fmt.Sprintf(" an upload left %q after %q", up, told)
	}
	return replyCodes(told), broken
}

// replyCodes are the codes of the replies in a text.
func replyCodes(text string) string {
	var codes []string
	open := ""
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		switch {
		case open != "" && !strings.HasPrefix(line, open):
		case len(line) > 3 && line[3] == '-':
			open = line[:3] + " "
		case len(line) >= 3:
			codes = append(codes, line[:3])
			open = ""
		}
	}
	return strings.Join(codes, " ")
}

// lines are the commands that a player can send.
var lines = []string{
	"USER u", "PASS p", "PASS wrong", "REIN", "QUIT", "CWD sub", "CWD ..", "CDUP", "PWD", "PORT 192,0,2,7,156,64",
	"EPRT |1|192.0.2.7|40000|", "EPSV ALL", "TYPE I", "TYPE A", "RETR hello.txt", "STOR up", "STOR sub/up", "STOU",
	"APPE up", "REST 3",
	"ABOR", "\xff\xf4\xff\xf2ABOR", "LIST", "LIST -R", "NLST *", "MLSD", "MLST", "STAT", "STAT sub", "DELE up", "RNFR up",
	"RNTO other", "MKD d",
	"RMD d", "SIZE up", "MDTM hello.txt", "MFMT 20200101000000 up", "SITE CHMOD 600 up", "FEAT", "HELP", "NOOP", "NOOP",
	"OPTS MLST type;",
	"SITE CPFR hello.txt", "SITE CPTO up", "SITE COPY up other", "COMB other hello.txt up", "SITE RMDIR sub",
	"SITE SYMLINK up link", "SITE UMASK 027", "SITE WHO", "LIST -ltr",
	"NLST */*", "STAT -R", "SITE KICK 2 text",
}

// move makes the move that a byte stands for.
func (p *player) move(b byte) {
	p.moved++
	switch n := int(b); {
	case n < len(lines):
		p.c.Send(lines[n] + "\r\n")
	case b < 0x60:
		p.told += p.c.Take()
		p.c.Send([]string{"PASV\r\n", "EPSV\r\n"}[b&1])
		p.w.Run()
		p.data = p.w.DialLast()
	case b < 0x70 && p.data != nil:
		p.data.Write(strings.Repeat("x", int(b&15)+1))
	case b < 0x78 && p.data != nil:
		p.data.Close()
	case b < 0x7c && p.data != nil:
		p.data.Drop()
	case b < 0x80:
		p.c.Listen(40000)
	case b < 0x90:
		p.w.Advance(int64(b&15) * 1e9)
	case b < 0x98:
		p.w.Emit(ftp.Event{Kind: ftp.EventReadable + ftp.EventKind(b&3), Session: p.c.Handle, Handle: ftp.Handle(p.moved % 16),
			Err: ftp.ErrReset})
	case b < 0x9a:
		p.c.Drop()
	case b < 0x9c:
		p.c.Hang()
	case b < 0x9e:
		p.w.Connect().Send("USER u\r\nPASS p\r\nLIST\r\nQUIT\r\n")
	case b < 0xa0:
		p.c.Send(string([]byte{'X', b, 0xff, 0, '\r'}))
	case b < 0xc0:
		p.told += p.c.Take()
		if p.data != nil {
			p.data.Read()
		}
	case b < 0xe0:
		p.w.Run()
	default:
		p.w.Round()
	}
}

// play plays all moves, then lets all time-outs come, and checks what must hold after any
// moves.
func play(t testing.TB, moves []byte, seed uint64) {
	w := []worldMaker{newWorld, newPlainWorld}[seed/2%2](t, limits)
	if seed != 0 {
		w.Async = rand.New(rand.NewPCG(seed, seed))
		w.Room = 64 + int(seed%512)
		w.Segment = int(seed % 5)
		w.Page = 1 + int(seed%3)
	}
	p := &player{w: w, c: w.Connect()}
	if seed%2 == 0 {
		p.c.Send("USER u\r\nPASS p\r\n")
	}
	for _, b := range moves {
		p.move(b)
	}
	for i := range 300 {
		w.Run()
		p.told += p.c.Take()
		if p.data != nil {
			p.data.Read()
		}
		if i%5 == 0 {
			w.Advance(5e9)
		}
	}
	// A session that was cut off may end in the middle of a reply.
	whole := p.told[:strings.LastIndex(p.told, "\n")+1]
	if !slices.ContainsFunc(moves, func(b byte) bool { return b >= 0x80 && b < 0x9a }) {
		wellFormed(t, whole)
	}
	assert.Zero(t, w.Held(), "handles stay open")
	assert.Empty(t, w.Broken)
}

// TestThreat27Plays plays random moves, as FuzzSession does those of a fuzzer.
func TestThreat27Plays(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 27))
	moves := make([]byte, 60)
	for i := range 4000 {
		for j := range moves {
			moves[j] = byte(random.Uint32())
			if random.IntN(2) == 0 {
				moves[j] = byte(random.IntN(len(lines) + 3))
			}
		}
		play(t, moves, uint64(i))
		if t.Failed() {
			t.Fatalf("play %d: %q", i, moves)
		}
	}
}

// FuzzSession plays sequences of operations: commands, data, ends, time, stale
// events, all in any order.
func FuzzSession(f *testing.F) {
	for _, seed := range seeds(f, "session") {
		f.Add([]byte(seed), uint64(0))
		f.Add([]byte(seed), uint64(3))
	}
	f.Fuzz(func(t *testing.T, moves []byte, seed uint64) {
		play(t, moves[:min(len(moves), 500)], seed)
	})
}
