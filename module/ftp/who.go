package ftp

import (
	"bytes"
	"math"

	"wasiftp/wasi"
)

// siteWho lists the sessions of all engines of the host.
func (s *session) siteWho([]byte) error {
	if s.rights&wasi.RightAdmin == 0 {
		return ErrPermission
	}
	if s.e.listed >= listMemory {
		return replyListsFull
	}
	// Only for its error, as no session has a number so high: once the listing has begun,
	// the reply can no longer refuse.
	none := func(SessionInfo) {}
	if err := s.e.sessionLister.Sessions(s.handle, math.MaxInt64, none); err != nil {
		return err
	}
	l := s.beginList(0, nil, nil, nil, listRequest{form: formSessions, control: true})
	l.done = false
	return nil
}

// readSessions reads the next sessions into the listing.
func (s *session) readSessions(l *listing) error {
	before := l.after
	err := s.e.sessionLister.Sessions(s.handle, l.after, l.tell)
	l.done = l.after == before
	return err
}

// doings are the names of what sessions do: mostly the verb.
var doings = [...]string{
	wasi.DoingList: "LIST", wasi.DoingDownload: "RETR", wasi.DoingUpload: "STOR", wasi.DoingHash: "HASH",
	wasi.DoingCopy: "SITE COPY",
}

// addSession takes a session into the listing.
func (l *listing) addSession(info SessionInfo) {
	if info.Number <= l.after {
		return // numbers have to rise, or the listing might never end
	}
	l.after = info.Number
	b := appendInt(append(l.out, ' '), int64(info.Number))
	b = info.Client.Addr().Unmap().AppendTo(append(b, ' '))
	if len(info.User) == 0 {
		info.User = []byte("(not logged in)")
	}
	b = appendName(append(b, ' '), info.User)
	b = appendMoment(append(b, " since "...), info.Began)
	if info.Doing == wasi.DoingNothing {
		b = append(b, ": idle"...)
	} else {
		b = append(append(b, ": "...), doings[info.Doing]...)
		b = appendName(append(b, " /"...), info.Name)
		b = append(appendUint(append(b, ", "...), info.Bytes), " bytes"...)
	}
	if len(info.Program) > 0 { // last, as it is any text of the client's
		b = append(appendName(append(b, " ("...), info.Program), ')')
	}
	l.out = append(b, "\r\n"...)
}

// siteKick ends another session, and tells its client the text behind the number.
func (s *session) siteKick(arg []byte) error {
	if s.rights&wasi.RightAdmin == 0 {
		return ErrPermission
	}
	word, text, _ := bytes.Cut(arg, []byte{' '})
	number, ok := parseNumber(word, math.MaxInt64)
	if !ok || number == 0 {
		return replyBadSession
	}
	b := s.e.scratch[:0]
	switch err := s.e.sessionKicker.Kick(s.handle, uint64(number), bytes.TrimSpace(text)); err {
	case nil:
		b = append(appendInt(append(b, "200 Session "...), number), " ends."...)
	case ErrNotExist:
		b = append(appendInt(append(b, "550 There is no session "...), number), ": SITE WHO lists them."...)
	case ErrName:
		return replyOwnSession
	default:
		return err
	}
	s.sendLine(b)
	return nil
}

// appendMoment appends a time as YYYY-MM-DD hh:mm:ss.
func appendMoment(b []byte, ns int64) []byte {
	c := civilTime(ns)
	b = appendPadded(b, uint64(c.year), "0000")
	for i, n := range [...]uint32{c.month, c.day, c.hour, c.minute, c.second} {
		b = appendPadded(append(b, "-- ::"[i]), uint64(n), "00")
	}
	return b
}
