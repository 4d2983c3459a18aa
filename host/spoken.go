package host

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync/atomic"

	"wasiftp/wasi"
)

// spoken is what the host sees of commands and replies, whose bytes all pass through it. So
// the Observer learns what a client was told, whatever the engine makes of its calls. Only
// the shard's goroutine uses it, but for the atomic fields.
type spoken struct {
	verb     [longestVerb]byte // of the command that came alone in the latest read, in upper case; zero if none did
	argument []byte            // of that command, if it is a pathname
	midway   bool              // the latest read ended within a line

	fault error  // of the engine's latest call that failed since that command; nil for none
	path  string // what that call was about

	code    int     // of the latest reply
	text    string  // of the latest reply that refused something
	inner   [3]byte // the code of a reply of several lines that has not ended; zero for none
	partial bool    // the latest write ended within a line

	told    atomic.Bool // an event has told already why the command failed
	untrust atomic.Bool // TLS of the control connection failed
}

const longestVerb = 8

// hear takes what the engine reads. Of several commands at once, none can be known as the
// one that a reply is about.
func (h *spoken) hear(p []byte) {
	if len(p) == 0 {
		return
	}
	alone := !h.midway && bytes.IndexByte(p, '\n') == len(p)-1
	h.midway = p[len(p)-1] != '\n'
	h.told.Store(false)
	h.verb, h.argument, h.fault, h.path = [longestVerb]byte{}, h.argument[:0], nil, ""
	if !alone {
		return
	}
	word, argument, _ := bytes.Cut(bytes.TrimRight(p, "\r\n"), []byte(" "))
	var verb [longestVerb]byte
	for i, c := range word {
		if c |= 0x20; c < 'a' || c > 'z' || i >= longestVerb {
			return
		}
		verb[i] = c &^ 0x20
	}
	h.verb = verb
	if pathVerbs[h.name()] {
		h.argument = append(h.argument, argument...)
	}
}

// pathVerbs are the verbs whose argument is a pathname, and so no secret.
var pathVerbs = map[string]bool{
	"APPE": true, "CWD": true, "DELE": true, "HASH": true, "LIST": true, "MDTM": true, "MKD": true, "MLSD": true, "MLST": true,
	"NLST": true, "RETR": true, "RMD": true, "RNFR": true, "RNTO": true, "SIZE": true, "STOR": true, "STOU": true,
}

func (h *spoken) name() string { return string(bytes.TrimRight(h.verb[:], "\x00")) }

// failed notes that a call of the engine's has failed.
func (h *spoken) failed(key questionKey, err error) {
	if h.fault, h.path = err, ""; key.name != "" && key.call != wasi.AuthLogin {
		h.path = "/" + key.name
	}
}

// replied takes bytes of replies that the client gets.
func (s *session) replied(p []byte) {
	h := &s.spoken
	for len(p) > 0 {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		if !h.partial {
			s.repliedLine(line)
		}
		h.partial, p = !whole, rest
	}
}

func (s *session) repliedLine(line []byte) {
	h := &s.spoken
	if len(line) < 4 || line[0] < '1' || line[0] > '5' || !isDigit(line[1]) || !isDigit(line[2]) {
		return
	}
	code, goesOn := [3]byte(line), line[3] == '-'
	switch {
	case h.inner != [3]byte{}:
		if code == h.inner && line[3] == ' ' {
			h.inner = [3]byte{}
		}
		return
	case goesOn:
		h.inner = code
	case line[3] != ' ':
		return
	}
	h.code = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	if of, ok := s.commands.answered(h.code); ok {
		s.shard.tally.answered(of, h.code)
	}
	if h.code >= 400 && s.config.Observer != nil {
		s.rejected(strings.TrimSpace(string(line[4:])))
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// rejected sends the event of a command that was answered with the latest code, unless
// another event tells of it. That of 421 is Disconnected.
func (s *session) rejected(text string) {
	h := &s.spoken
	if h.text = text; h.code == 421 || h.told.Load() {
		return
	}
	s.observe(Event{
		Kind: Rejected, Verb: h.name(), Argument: string(h.argument), Path: h.path, Err: h.fault, Reply: h.code, Reason: text,
	})
}

// farewell sends a last reply that the engine knows nothing of.
func (s *session) farewell(reply string) {
	s.stream.Write([]byte(reply))
	s.spoken.inner, s.spoken.partial = [3]byte{}, false
	s.replied([]byte(reply))
}

// parting is why the session ends.
func (s *session) parting(reason error) string {
	h := &s.spoken
	switch {
	case reason != nil:
		return reason.Error()
	case h.untrust.Load():
		return "the TLS handshake failed"
	case h.code == 221:
		return "quit"
	case h.code == 421:
		return h.text
	}
	return "the client hung up"
}

// guardTLS is [Server.guardTLS] for the control connection. It sends the event of a handshake
// that failed.
func (s *session) guardTLS(call func() error) error {
	err := s.server.guardTLS(call)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		s.server.counter.shook(false, tls.ConnectionState{})
		s.spoken.untrust.Store(true)
		s.observe(Event{Kind: TLSFailed, Err: err})
	}
	return err
}
