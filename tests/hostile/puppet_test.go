package hostile

import (
	"strings"
	"testing"

	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// puppet is a session in the guest, which does what it is told to.
type puppet struct {
	*kit.Puppet
	t     *testing.T
	stage *stage
}

// withLog is a test that tells what the server logged when it fails.
type withLog struct {
	*testing.T
	log *record
}

func (t withLog) Fatalf(format string, args ...any) {
	t.Helper()
	t.T.Fatalf(format+"\n%s", append(args, t.log)...)
}

func (s *stage) puppet() *puppet {
	s.t.Helper()
	return &puppet{Puppet: kit.NewPuppet(withLog{s.t, s.log}, s.connect()), t: s.t, stage: s}
}

// login logs the session in.
func (p *puppet) login() {
	p.t.Helper()
	if errno := p.Login("user", "secret"); errno != wasi.OK {
		p.t.Fatalf("auth_login: %v", errno)
	}
}

// dialRecord makes net_dial with an address record.
func (p *puppet) dialRecord(record []byte) wasi.Errno {
	p.t.Helper()
	p.Poke(kit.TextAt, record)
	return p.Raw(wasi.NetDial, p.Session, p.At(kit.TextAt), p.At(kit.ResultAt))
}

// memoryEnd is the size of the guest's memory, once it needs no more to say so.
func (p *puppet) memoryEnd() uint64 {
	p.t.Helper()
	p.MemoryEnd()
	return p.MemoryEnd()
}

// ends waits for the session to be ended by the host: with 421 where that can be
// sent.
func (p *puppet) ends() {
	p.t.Helper()
	rest, err := p.Rest()
	if err != nil {
		p.t.Fatalf("the session does not end: %v\n%s", err, p.stage.log)
	}
	if !strings.Contains(rest, "421 ") {
		p.t.Errorf("the session ends with %q, not with 421", rest)
	}
}

// lives makes sure that the session is served.
func (p *puppet) lives() {
	p.t.Helper()
	if errno := p.Raw(wasi.NetAddress, p.Session, wasi.Peer, p.At(kit.ResultAt)); errno != wasi.OK {
		p.t.Fatalf("a session that has nothing to do with it: net_address %v", errno)
	}
	if at := wasi.GetAddr(p.Peek(kit.ResultAt, wasi.AddrSize)).String(); at != p.Conn.LocalAddr().String() {
		p.t.Fatalf("the session's client is %s, the guest hears %s", p.Conn.LocalAddr(), at)
	}
}
