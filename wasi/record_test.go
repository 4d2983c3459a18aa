package wasi

import (
	"bytes"
	"math"
	"net/netip"
	"strings"
	"testing"
)

// dirty is a buffer with old bytes in it.
func dirty(size int) []byte { return bytes.Repeat([]byte{0xa5}, size) }

func TestEvent(t *testing.T) {
	t.Parallel()
	for _, e := range []Event{
		{},
		{Kind: EventOpen, Session: 1, Handle: 1},
		{Kind: EventTransfer, Errno: ETIMEDOUT, Session: 0x01020304, Handle: 0x05060708, Value: 0x1112131415161718},
		{Kind: math.MaxUint16, Errno: math.MaxUint16, Session: math.MaxUint32, Handle: math.MaxUint32, Value: math.MaxUint64},
	} {
		b := dirty(EventSize + 1)
		e.Put(b)
		if got := GetEvent(b); got != e {
			t.Errorf("%+v came back as %+v", e, got)
		}
		if b[EventSize] != 0xa5 {
			t.Errorf("%+v is longer than EventSize", e)
		}
	}
	b := dirty(EventSize)
	Event{Kind: 1, Errno: 2, Session: 3, Handle: 4, Value: 5}.Put(b)
	want := []byte{1, 0, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0}
	if !bytes.Equal(b, want) {
		t.Errorf("layout: %v, not %v", b, want)
	}
}

func TestAddr(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"127.0.0.1:21":            "127.0.0.1:21",
		"255.255.255.255:65535":   "255.255.255.255:65535",
		"0.0.0.0:0":               "0.0.0.0:0",
		"[::1]:2121":              "[::1]:2121",
		"[2001:db8::1:2]:1":       "[2001:db8::1:2]:1",
		"[::ffff:192.0.2.1]:8080": "192.0.2.1:8080", // PutAddr writes it as IPv4
		"[fe80::1%eth0]:21":       "[fe80::1]:21",   // a zone does not cross
	} {
		b := dirty(AddrSize + 1)
		PutAddr(b, netip.MustParseAddrPort(text))
		if got := GetAddr(b).String(); got != want {
			t.Errorf("%s came back as %s, not %s", text, got, want)
		}
		if b[AddrSize] != 0xa5 {
			t.Errorf("%s is longer than AddrSize", text)
		}
	}
	b := dirty(AddrSize)
	PutAddr(b, netip.MustParseAddrPort("1.2.3.4:258"))
	if want := []byte{4, 0, 2, 1, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}; !bytes.Equal(b, want) {
		t.Errorf("layout: %v, not %v", b, want)
	}
}

// The host must check an address as the guest sent it: a mapped one stays mapped.
func TestAddrStaysMapped(t *testing.T) {
	t.Parallel()
	mapped := netip.MustParseAddr("::ffff:127.0.0.1")
	b := make([]byte, AddrSize)
	ip := mapped.As16()
	b[0] = 6
	copy(b[4:], ip[:])
	if got := GetAddr(b).Addr(); got != mapped || got.Is4() {
		t.Errorf("it came as %s", got)
	}
	for _, family := range []byte{0, 1, 5, 7, 255} {
		b[0] = family
		if got := GetAddr(b); got.IsValid() {
			t.Errorf("family %d is %s", family, got)
		}
	}
}

func TestStat(t *testing.T) {
	t.Parallel()
	for _, s := range []Stat{
		{},
		{ModTime: -1, Size: math.MaxUint64, Mode: TypeOther | 0o777, Links: math.MaxUint32},
		{ModTime: math.MinInt64, Size: 1, Mode: TypeDir | 0o755, Links: 2},
		{ModTime: math.MaxInt64, Mode: TypeLink, Created: math.MinInt64},
	} {
		b := dirty(StatSize + 1)
		s.Put(b)
		if got := GetStat(b); got != s {
			t.Errorf("%+v came back as %+v", s, got)
		}
		if b[StatSize] != 0xa5 {
			t.Errorf("%+v is longer than StatSize", s)
		}
	}
	b := dirty(StatSize)
	Stat{ModTime: -2, Size: 3, Mode: 4, Links: 5, Created: 6}.Put(b)
	want := []byte{254, 255, 255, 255, 255, 255, 255, 255, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0}
	if !bytes.Equal(b, want) {
		t.Errorf("layout: %v, not %v", b, want)
	}
}

// dirents are records of every kind of length.
var dirents = []struct {
	stat         Stat
	name, target string
}{
	{Stat{Size: 1, Mode: 0o644}, "a", ""},
	{Stat{Mode: TypeLink | 0o777, Links: 1}, "link", "../target"},
	{Stat{}, "", ""},
	{Stat{ModTime: -1}, "\xff\xfe\n\r;", "\x00"},
	{Stat{}, strings.Repeat("n", 255), strings.Repeat("t", 4095)},
}

func TestDirent(t *testing.T) {
	t.Parallel()
	page := make([]byte, 0, 8<<10)
	for _, d := range dirents {
		var ok bool
		if page, ok = AppendDirent(page, d.stat, d.name, d.target); !ok {
			t.Fatalf("%q does not fit", d.name)
		}
	}
	rest := page
	for _, d := range dirents {
		stat, name, target, tail, ok := NextDirent(rest)
		if !ok || stat != d.stat || string(name) != d.name || string(target) != d.target {
			t.Errorf("%+v came back as %+v %q %q %v", d, stat, name, target, ok)
		}
		rest = tail
	}
	if _, _, _, _, ok := NextDirent(rest); ok || len(rest) > 0 {
		t.Errorf("%d bytes are left", len(rest))
	}
}

// A record that does not fit is left out whole, whatever room there is.
func TestDirentThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for _, d := range dirents {
		size := DirentSize + len(d.name) + len(d.target)
		for room := range size {
			b := make([]byte, 1, room+1)
			if got, ok := AppendDirent(b, d.stat, d.name, d.target); ok || len(got) != 1 {
				t.Fatalf("%d bytes went into %d", size, room)
			}
		}
		if _, ok := AppendDirent(make([]byte, 0, size), d.stat, d.name, d.target); !ok {
			t.Errorf("%d bytes do not go into as many", size)
		}
	}
	huge := strings.Repeat("x", 1<<16)
	big := make([]byte, 0, 1<<18)
	if got, ok := AppendDirent(big, Stat{}, huge, ""); ok || len(got) > 0 {
		t.Error("a name of 65,536 bytes fits")
	}
	if got, ok := AppendDirent(big, Stat{}, "", huge); ok || len(got) > 0 {
		t.Error("a target of 65,536 bytes fits")
	}
	if _, ok := AppendDirent(big, Stat{}, huge[1:], huge[1:]); !ok {
		t.Error("65,535 bytes do not fit")
	}
}

// FuzzDirent reads records that no host wrote: NextDirent must not panic.
func FuzzDirent(f *testing.F) {
	if len(dirents) == 0 {
		f.Fatal("no seeds")
	}
	page := make([]byte, 0, 8<<10)
	for _, d := range dirents {
		page, _ = AppendDirent(page, d.stat, d.name, d.target)
		f.Add(bytes.Clone(page))
		f.Add(bytes.Clone(page[:len(page)-1]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		again := make([]byte, 0, len(b))
		rest := b
		for {
			s, name, target, tail, ok := NextDirent(rest)
			if !ok {
				break
			}
			if again, ok = AppendDirent(again, s, string(name), string(target)); !ok {
				t.Fatal("a record is longer than it was")
			}
			rest = tail
		}
		if want := b[:len(b)-len(rest)]; !bytes.Equal(again, want) {
			t.Errorf("%x was read as %x", want, again)
		}
	})
}
