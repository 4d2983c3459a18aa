package wasi

import (
	"bytes"
	"math"
	"net/netip"
	"strings"
	"testing"
)

// whos are records of every kind of length.
var whos = []struct {
	who        Who
	user, name string
}{
	{Who{Number: 1, Began: 2, Bytes: 3, Client: netip.MustParseAddrPort("192.0.2.7:258"), Doing: DoingDownload}, "u", "a/b"},
	{Who{Number: math.MaxUint64, Began: math.MinInt64, Bytes: math.MaxUint64,
		Client: netip.MustParseAddrPort("[2001:db8::1]:65535"), Doing: math.MaxUint32}, "", ""},
	{Who{Client: netip.MustParseAddrPort("[::]:0")}, "\xff\r\n\x00", "\x1b"},
	{Who{Number: 4, Client: netip.MustParseAddrPort("[::]:0")}, strings.Repeat("u", MaxWho), strings.Repeat("n", MaxWho)},
}

func TestWho(t *testing.T) {
	t.Parallel()
	page := make([]byte, 0, 8<<10)
	for _, w := range whos {
		size := WhoSize + len(w.user) + len(w.name)
		if got, ok := AppendWho(make([]byte, 1, size), w.who, w.user, w.name); ok || len(got) != 1 {
			t.Errorf("%d bytes went into less", size)
		}
		var ok bool
		if page, ok = AppendWho(page, w.who, w.user, w.name); !ok {
			t.Fatalf("%+v does not fit", w)
		}
	}
	rest := page
	for _, w := range whos {
		who, user, name, tail, ok := NextWho(rest)
		if !ok || who != w.who || string(user) != w.user || string(name) != w.name {
			t.Errorf("%+v came back as %+v %q %q %v", w, who, user, name, ok)
		}
		rest = tail
	}
	if len(rest) > 0 {
		t.Errorf("%d bytes are left", len(rest))
	}
	want := []byte{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
		4, 0, 2, 1, 192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 3, 0, 'u', 'a', '/', 'b'}
	if !bytes.HasPrefix(page, want) {
		t.Errorf("layout: %v, not %v", page[:len(want)], want)
	}
}

// A name that is too long is cut off: its session must not keep others out of the list.
func TestWhoIsCutOff(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("x", 1<<17)
	b, ok := AppendWho(make([]byte, 0, 4<<10), Who{}, huge, huge)
	_, user, name, rest, ok2 := NextWho(b)
	if !ok || !ok2 || len(user) != MaxWho || len(name) != MaxWho || len(rest) > 0 {
		t.Errorf("%d and %d bytes, and %d more", len(user), len(name), len(rest))
	}
}

// FuzzWho reads records that no host wrote: NextWho must not panic.
func FuzzWho(f *testing.F) {
	if len(whos) == 0 {
		f.Fatal("no seeds")
	}
	page := make([]byte, 0, 8<<10)
	for _, w := range whos {
		page, _ = AppendWho(page, w.who, w.user, w.name)
		f.Add(bytes.Clone(page))
		f.Add(bytes.Clone(page[:len(page)-1]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for {
			_, user, name, rest, ok := NextWho(b)
			if !ok {
				return
			}
			if len(rest)+WhoSize+len(user)+len(name) != len(b) {
				t.Fatalf("%d bytes became %d", len(b), len(rest)+WhoSize+len(user)+len(name))
			}
			b = rest
		}
	})
}
