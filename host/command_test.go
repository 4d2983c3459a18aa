package host

import (
	"fmt"
	"strings"
	"testing"
)

// Each reply counts for its own command, in the order in which the engine answers: what comes
// between < and > is read at once.
func TestReplyCountsForItsCommand(t *testing.T) {
	t.Parallel()
	for of, c := range map[string]struct{ talk, want string }{
		"one after another": {"<user u\r\n> 331 <PASS p\r\n> 230 <QUIT\n> 221", "USER 331 PASS 230 QUIT 221"},
		"many at once": {"<NOOP\r\nPWD\r\nCWD a b\r\n\r\nXYZ\r\n> 200 257 550 500",
			"NOOP 200 PWD 257 CWD 550 other 500"},
		"in pieces": {"<NO> <OP> <\r> <\n> 200 <RE> <TR fi> <le\r\nPW> 150 226 <D\n> 257",
			"NOOP 200 RETR 226 PWD 257"},
		"the argument in two reads":   {"<CWD a> <b\r\n> 250", "CWD 250"},
		"NOOP during a transfer":      {"<RETR a\r\n> 150 <NOOP\r\n> 200 226", "NOOP 200 RETR 226"},
		"STAT and QUIT during one":    {"<STOR a\r\n> 150 <STAT\r\nQUIT\r\n> 211 221 226", "STAT 211 QUIT 221 STOR 226"},
		"ABOR":                        {"<RETR a\r\n> 150 <ABOR\r\n> 426 226", "RETR 426 ABOR 226"},
		"ABOR before held commands":   {"<RETR a\r\n> 150 <RETR b\r\nABOR\r\n> 426 226 425", "RETR 426 ABOR 226 RETR 425"},
		"ABOR behind a lost transfer": {"<RETR a\r\nRETR b\r\nABOR\r\n> 150 426 150 226 225", "RETR 426 RETR 226 ABOR 225"},
		"ABOR when all is done":       {"<RETR a\r\n> 150 226 <ABOR\r\n> 225", "RETR 226 ABOR 225"},
		"ABOR by Telnet":              {"<RETR a\r\n> 150 <\xff\xf4\xff\xf2ABOR\r\n> 426 226", "RETR 426 ABOR 226"},
		"options of Telnet":           {"<\xff\xfb\x0a\xff\xfd\x06\r\n> <NOOP\r\n> 200 <\xff\xff NOOP\r\n> 200", "NOOP 200 NOOP 200"},
		"no command":                  {"220 421", ""},
		"a reply too few":             {"<NOOP\r\nNOOP\r\n> 200 <PWD\r\n> 257", "NOOP 200 PWD 257"},
		"a reply too many":            {"<NOOP\r\n> 200 200 <PWD\r\n> 257", "NOOP 200 PWD 257"},
		"a long line":                 {"<" + strings.Repeat("A", 4100) + "> 500 <AAA\r\n> <NOOP\r\n> 200", "other 500 NOOP 200"},
		"blanks":                      {"<   \r\n  NOOP \r\n> 200", "NOOP 200"},
	} {
		var heard commands
		var got []string
		for talk := c.talk; talk != ""; talk = strings.TrimPrefix(talk, " ") {
			if sent, is := strings.CutPrefix(talk, "<"); is {
				sent, talk, _ = strings.Cut(sent, ">")
				heard.hear([]byte(sent))
				continue
			}
			var code int
			fmt.Sscan(talk, &code)
			if of, ok := heard.answered(code); ok {
				got = append(got, fmt.Sprint(verbs[of], " ", code))
			}
			talk = talk[3:]
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s: %s, want %s", of, got, c.want)
		}
	}
}

// What a client sends bounds what is kept of it, also if the engine answers nothing.
func TestUnansweredCommandsAreBounded(t *testing.T) {
	t.Parallel()
	var heard commands
	lines := []byte(strings.Repeat("A\n", 2000))
	for range 10 {
		heard.hear(append([]byte("RETR a\n"), lines...))
	}
	if n := len(heard.waiting); n > mostUnanswered {
		t.Errorf("%d commands are kept", n)
	}
	for range mostUnanswered {
		heard.answered(500)
	}
	if cap(heard.waiting) > 64 {
		t.Errorf("room for %d is kept", cap(heard.waiting))
	}
}

// What a command and its reply cost to count.
func BenchmarkCount(b *testing.B) {
	t := &tally{commands: map[uint32]uint64{}}
	var heard commands
	line := []byte("RETR some/file/with/a/longer/name.txt\r\n")
	b.ReportAllocs()
	for b.Loop() {
		heard.hear(line)
		of, _ := heard.answered(226)
		t.answered(of, 226)
		t.stepped(1000, 1<<20)
	}
}
