package hostile

import (
	"bytes"
	"strings"
	"testing"

	"wasiftp/host"
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// A guest may say anything for the client's program: the host keeps little of it, and nothing
// that a log or a terminal would obey.
func TestThreat22ProgramOfAHostileGuest(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	p := s.puppet()
	name := func(program []byte) string {
		t.Helper()
		p.Poke(kit.TextAt, program)
		errno := p.Raw(wasi.SessionNames, p.Session, wasi.NameProgram, p.At(kit.TextAt), uint64(len(program)), p.At(kit.BufferAt), 0,
			p.At(kit.ResultAt))
		if errno != wasi.OK {
			t.Fatalf("session_names: %v", errno)
		}
		return s.server.Sessions()[0].Program
	}
	for _, given := range [][]byte{
		[]byte("a\r\nlevel=INFO msg=\"logged in\"\x00\x1b[2J\x9b\u202e\u0085"),
		bytes.Repeat([]byte{0xff}, 4000), bytes.Repeat([]byte("\n"), 4000),
		bytes.Repeat([]byte("é"), 2000),
	} {
		got := name(given)
		if len(got) > 128 || strings.ContainsAny(strings.ToValidUTF8(got, "\n"), "\r\n\x00\x1b\u009b\u202e\u0085\ufffd") {
			t.Errorf("%.40q is kept as %q", given, got)
		}
	}
	if got := name(nil); got != "" {
		t.Errorf("no name is %q", got)
	}
	p.lives()
}

// A guest that is told of rights, and does not care, has the rights that the host gives: those
// that are gone are gone at once, and an account in the place of another one is all there is.
func TestThreat31RightsAreNotTheGuests(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	s.put("file", "content")
	p := s.puppet()
	p.login()
	dir := func() wasi.Errno { return p.Named(wasi.FileMake, "made", p.At(kit.TextAt), 0) }
	live := s.server.Sessions()[0]
	if !live.SetRights(host.ReadOnly) {
		t.Fatal("the session is not logged in")
	}
	if errno := dir(); errno != wasi.EACCES {
		t.Errorf("without the right to it, file_make is %v", errno)
	}
	told := p.Event(wasi.EventRights, 0)
	if rights, able := told.Rights(); rights != host.ReadOnly || able&wasi.AbleUpload == 0 {
		t.Errorf("the guest is told of the rights %#x and the abilities %#x", rights, able)
	}
	if err := live.SetAccount(&host.Account{FS: s.files}); err != nil {
		t.Fatal(err)
	}
	if errno := p.Named(wasi.FileStat, "file", 0, p.At(kit.ResultAt)); errno != wasi.EACCES {
		t.Errorf("without any right, file_stat is %v", errno)
	}
	if rights, _ := p.Event(wasi.EventRights, 0).Rights(); rights != 0 {
		t.Errorf("the guest is told of the rights %#x", rights)
	}
	if !live.SetRights(host.ReadWrite) {
		t.Fatal("the session is not logged in")
	}
	p.Event(wasi.EventRights, 0)
	if errno := dir(); errno != wasi.OK {
		t.Errorf("with the right to it, file_make is %v", errno)
	}
	p.lives()
}
