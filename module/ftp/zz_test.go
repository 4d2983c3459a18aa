package ftp

import (
	"net/netip"
	"testing"
)

type fw struct {
	World
	reads int
}

func (f *fw) Read(h Handle, p []byte) (int, error) {
	f.reads++
	if f.reads%2 == 1 {
		return copy(p, "NOOP\r\n"), nil
	}
	return 0, ErrAgain
}
func (f *fw) Write(h Handle, p []byte) (int, error) { return len(p), nil }
func (f *fw) PeerAddress(Handle) netip.AddrPort     { return netip.AddrPort{} }
func (f *fw) LocalAddress(Handle) netip.AddrPort    { return netip.AddrPort{} }
func BenchmarkNoopNative(b *testing.B) {
	f := &fw{reads: 1}
	e := New(f, Config{})
	e.Step(1, []Event{{Kind: EventOpen, Session: 1, Handle: 1}})
	f.reads = 0
	ev := []Event{{Kind: EventReadable, Session: 1, Handle: 1}}
	for b.Loop() {
		e.Step(2, ev)
	}
}
