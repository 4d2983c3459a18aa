package host

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"wasiftp/fsbridge"
	"wasiftp/wasi"
)

// refusal is the error of [Refuse].
type refusal struct {
	code int
	text string
}

func (r *refusal) Error() string { return fmt.Sprintf("refused with %d %s", r.code, r.text) }

const (
	mostRefusal = 400        // bytes of the text of a reply
	noReason    = "Refused." // where no text is given
)

// Refuse returns an error that refuses with a reply of one's own. It may come from a hook, and
// from any method of a storage or an upload that a client's command leads to. code is 400 to
// 599: 450 and 451 say that the client may try again, 452 that there is no room, 552 that a
// limit is reached, 553 that the name is not allowed, 550 all else. Refuse panics for another
// code. While bytes move, what a storage returns is 451, but for 452 and 552, and without the
// text. 421 becomes 451 where it is not a login that is refused, for no other ends the session.
//
// text is one line of up to 400 bytes. What is behind them is cut off, and control characters
// become spaces; "" is "Refused.".
func Refuse(code int, text string) error {
	if code < 400 || code > 599 {
		panic(fmt.Sprintf("host.Refuse: %d is not the code of a refusal, 400 to 599", code))
	}
	return &refusal{code, replyText(text, noReason)}
}

// replyText makes a text the rest of a reply's line; instead is the text in place of "".
func replyText(text, instead string) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?")))
	if len(text) > mostRefusal {
		cut := mostRefusal
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	if text == "" {
		return instead
	}
	return text
}

// refusalOf finds the error of Refuse, or of a name that a rule refuses, in an error of the
// embedder's, whose methods may panic.
func refusalOf(err error) (found *refusal) {
	defer func() {
		if recover() != nil {
			found = nil
		}
	}()
	if !errors.As(err, &found) && errors.Is(err, fsbridge.ErrRefusedName) {
		return refusedName
	}
	return found
}

// errno is what the guest learns of the refusal: that for which the engine has a reply of
// this code, or one of the same severity.
func (r *refusal) errno() wasi.Errno {
	switch {
	case r.code == 450:
		return wasi.EBUSY
	case r.code == 452:
		return wasi.ENOSPC
	case r.code == 552:
		return wasi.EDQUOT
	case r.code < 500:
		return wasi.EIO
	}
	return wasi.EACCES
}

// loginErrno is errno where a login is refused.
func (r *refusal) loginErrno() wasi.Errno {
	switch {
	case r.code == 421:
		return wasi.EMFILE
	case r.code < 500:
		return wasi.EIO
	}
	return wasi.EACCES
}

// verdict is the reply of the embedder's that takes the place of one of the engine's.
type verdict struct {
	instead string // the code of the engine's reply
	reply   []byte
	line    []byte // of reply, what is not sent yet
}

func newVerdict(instead string, code int, text string) *verdict {
	reply := append(append(strconv.AppendInt(nil, int64(code), 10), ' '), text+"\r\n"...)
	return &verdict{instead, reply, reply}
}

// engineCodes are the codes of the engine's replies to the errnos of refusals.
var engineCodes = map[wasi.Errno]string{
	wasi.EBUSY: "450", wasi.EIO: "451", wasi.ENOSPC: "452", wasi.EDQUOT: "552", wasi.EACCES: "550",
}

// verdict is the reply to the refusal of anything but a login.
func (r *refusal) verdict() *verdict {
	code := r.code
	if code == 421 {
		code = 451
	}
	return newVerdict(engineCodes[r.errno()], code, r.text)
}

// loginVerdict is the reply to the refusal of a login.
func (r *refusal) loginVerdict() *verdict {
	switch r.loginErrno() {
	case wasi.EMFILE:
		return newVerdict("421", 421, r.text)
	case wasi.EIO:
		return newVerdict("451", r.code, r.text)
	}
	return newVerdict("530", 530, r.text)
}

// refusedName is the reply to a name that a rule refuses. The engine would take EINVAL of an
// upload that begins at an offset for a fault of the offset.
var refusedName = &refusal{553, "A rule refuses this name."}

// failed is the answer to a question whose work ended with err, which may be nil.
func failed(err error) answer {
	if err == nil {
		return answer{}
	}
	a := answer{errno: errnoOf(err), err: err}
	if r := refusalOf(err); r != nil {
		a.refused = r.verdict()
	}
	return a
}

// pronounce sends the verdict in place of the first of the engine's replies in p. It returns
// how many bytes of p are done with. They are none where that reply has another code: the
// engine speaks of something else, and the verdict is void.
func (s *session) pronounce(p []byte) (int, wasi.Errno) {
	v := s.verdict
	end := bytes.Index(p, []byte("\r\n")) + 2
	if !bytes.HasPrefix(p, []byte(v.instead+" ")) || end < 2 {
		s.verdict = nil
		return 0, wasi.OK
	}
	s.speak()
	n, errno := s.stream.Write(v.line)
	if errno != wasi.OK {
		return 0, errno
	}
	if v.line = v.line[n:]; len(v.line) > 0 {
		return 0, wasi.EAGAIN // EventWritable follows, and the engine comes again
	}
	s.verdict = nil
	s.replied(v.reply)
	return end, wasi.OK
}
