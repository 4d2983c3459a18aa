package hostile

import (
	"strings"
	"testing"

	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// puppet is a session of the guest that obeys its client, the test.
type puppet struct {
	*kit.Puppet
	t     *testing.T
	stage *stage
}

// withLog adds the server's log to the message of Fatalf.
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

// memoryEnd is the size of the guest's memory. The first call may make the memory grow,
// so that the second counts.
func (p *puppet) memoryEnd() uint64 {
	p.t.Helper()
	p.MemoryEnd()
	return p.MemoryEnd()
}

// ends waits until the host ends the session, and checks that it says 421.
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

// lives checks that the session is still served.
func (p *puppet) lives() {
	p.t.Helper()
	if errno := p.Raw(wasi.NetAddress, p.Session, wasi.Peer, p.At(kit.ResultAt)); errno != wasi.OK {
		p.t.Fatalf("a session that has nothing to do with it: net_address %v", errno)
	}
	if at := wasi.GetAddr(p.Peek(kit.ResultAt, wasi.AddrSize)).String(); at != p.Conn.LocalAddr().String() {
		p.t.Fatalf("the session's client is %s, the guest hears %s", p.Conn.LocalAddr(), at)
	}
}
