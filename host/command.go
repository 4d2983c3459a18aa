package host

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// commands are those that the engine has read on a control connection and not yet answered,
// so that each reply is counted for its own command, also when a client sends many at once.
// Only the shard's goroutine uses it.
type commands struct {
	waiting []verb            // the oldest first
	word    [longestVerb]byte // of the line that is being read
	letters int               // of word; more than fit if it is no verb
	behind  bool              // word is read, and its line goes on
	telnet  telnetState
	aborted bool // the latest reply was 426: if there is an ABOR, the next one is its own
}

// verb is an index of verbs; 0 is a word that is none.
type verb uint8

// verbs are all that count by their names. Clients choose the words that they send, and must
// not choose how many are counted.
var verbs = [...]string{
	"other",
	"ABOR", "ACCT", "ALLO", "APPE", "AUTH", "AVBL", "CCC", "CDUP", "CLNT", "COMB", "CPSV", "CSID", "CWD", "DELE", "EPRT",
	"EPSV", "FEAT", "HASH", "HELP", "HOST", "LANG", "LIST", "LPRT", "LPSV", "MDTM", "MFF", "MFMT", "MKD", "MLSD", "MLST",
	"MODE", "NLST", "NOOP", "OPTS", "PASS", "PASV", "PBSZ", "PORT", "PRET", "PROT", "PWD", "QUIT", "RANG", "REIN", "REST",
	"RETR", "RMD", "RNFR", "RNTO", "SITE", "SIZE", "SMNT", "SSCN", "STAT", "STOR", "STOU", "STRU", "SYST", "TYPE", "USER",
	"XCRC", "XCUP", "XCWD", "XMD5", "XMKD", "XPWD", "XRMD", "XSHA1", "XSHA256", "XSHA512",
}

// verbOf has the verbs but other by their letters, as a number.
var verbOf = func() map[uint64]verb {
	of := map[uint64]verb{}
	for i, name := range verbs[1:] {
		var word [longestVerb]byte
		copy(word[:], name)
		of[binary.LittleEndian.Uint64(word[:])] = verb(i + 1)
	}
	return of
}()

func named(name string) verb { return verb(slices.Index(verbs[:], name)) }

// lasting are the verbs during which the engine reads on. It answers those of atOnce then,
// each with a code that no transfer ends with, and ABOR behind 426. All else waits.
var (
	lasting = func() (set [len(verbs)]bool) {
		for _, name := range []string{
			"APPE", "COMB", "HASH", "LIST", "MLSD", "NLST", "RETR", "SITE", "STOR", "STOU", "XCRC", "XMD5", "XSHA1", "XSHA256",
			"XSHA512",
		} {
			set[named(name)] = true
		}
		return set
	}()
	atOnce = map[int]verb{200: named("NOOP"), 211: named("STAT"), 221: named("QUIT")}
	abort  = named("ABOR")
)

// mostUnanswered bounds waiting: an engine that answers nothing must not fill the memory.
// Ours has read 4 KiB at most.
const mostUnanswered = 4096

// telnetState is what the next byte means (RFC 854).
type telnetState uint8

const (
	telnetData   telnetState = iota
	telnetEscape             // after IAC
	telnetOption             // after IAC and WILL, WON'T, DO or DON'T
)

const (
	telnetIAC     = 0xff
	telnetWill    = 0xfb // and above, but for IAC: an option follows
	telnetCommand = 0xf0 // and above: no text
)

// hear takes what the engine reads.
func (c *commands) hear(p []byte) {
	if midway := c.behind || c.letters > 0; !midway && len(c.waiting) > 0 && !lasting[c.waiting[0]] {
		c.waiting = c.waiting[:0] // the engine reads on once it has answered all, so these get no reply
	}
	for len(p) > 0 {
		if c.behind {
			end := bytes.IndexByte(p, '\n') + 1
			if end == 0 {
				return
			}
			c.behind, p = false, p[end:]
			continue
		}
		c.letter(p[0])
		p = p[1:]
	}
}

// letter takes a byte in front of a line's first blank.
func (c *commands) letter(b byte) {
	switch was := c.telnet; {
	case was == telnetOption:
		c.telnet = telnetData
		return
	case was == telnetEscape:
		c.telnet = telnetData
		if b >= telnetWill && b < telnetIAC {
			c.telnet = telnetOption
		}
	case b == telnetIAC:
		c.telnet = telnetEscape
		return
	}
	switch {
	case b == '\n', b == ' ' && c.letters > 0, c.letters > longestVerb:
		c.heard()
		c.behind = b != '\n'
	case b == ' ', b == '\r', b == 0, b >= telnetCommand:
	default:
		if b >= 'a' && b <= 'z' {
			b -= 'a' - 'A'
		}
		if c.letters < longestVerb {
			c.word[c.letters] = b
		}
		c.letters++
	}
}

// heard ends the word of a command. An empty line is none.
func (c *commands) heard() {
	if c.letters == 0 {
		return
	}
	var v verb
	if c.letters <= longestVerb {
		v = verbOf[binary.LittleEndian.Uint64(c.word[:])]
	}
	if len(c.waiting) < mostUnanswered {
		c.waiting = append(c.waiting, v)
	}
	c.word, c.letters = [longestVerb]byte{}, 0
}

// answered takes a reply, and returns the verb of its command. ok is false for a preliminary
// reply, which another one follows, and for one that no command has caused.
func (c *commands) answered(code int) (of verb, ok bool) {
	if code < 200 || len(c.waiting) == 0 {
		c.aborted = false
		return 0, false
	}
	of = c.waiting[0]
	switch {
	case c.aborted && code == 226:
		of = abort
	case lasting[of]:
		of = cmp.Or(atOnce[code], of)
	}
	at := max(slices.Index(c.waiting, of), 0)
	of = c.waiting[at]
	if c.waiting = slices.Delete(c.waiting, at, at+1); len(c.waiting) == 0 && cap(c.waiting) > 64 {
		c.waiting = nil
	}
	c.aborted = code == 426
	return of, true
}

// forget drops what the client has sent, as TLS begins or ends.
func (c *commands) forget() { *c = commands{waiting: c.waiting[:0]} }
