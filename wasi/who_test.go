package wasi

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"testing"
)

// whos are records of every kind of length.
var whos = []Who{
	{Number: 1, Began: 2, Bytes: 3, Client: netip.MustParseAddrPort("192.0.2.7:258"), Doing: DoingDownload, User: []byte("u"),
		Name: []byte("a/b"), Program: []byte("p1")},
	{Number: math.MaxUint64, Began: math.MinInt64, Bytes: math.MaxUint64,
		Client: netip.MustParseAddrPort("[2001:db8::1]:65535"), Doing: math.MaxUint16},
	{Client: netip.MustParseAddrPort("[::]:0"), User: []byte("\xff\r\n\x00"), Name: []byte("\x1b")},
	{Number: 4, Client: netip.MustParseAddrPort("[::]:0"), User: bytes.Repeat([]byte("u"), MaxWho),
		Name: bytes.Repeat([]byte("n"), MaxWho), Program: bytes.Repeat([]byte("p"), MaxWho)},
}

// sizeOf is how many bytes the record of a session takes.
func sizeOf(w Who) int { return WhoSize + len(w.User) + len(w.Name) + len(w.Program) }

func TestWho(t *testing.T) {
	t.Parallel()
	page := make([]byte, 0, 8<<10)
	for _, w := range whos {
		if got, ok := AppendWho(make([]byte, 1, sizeOf(w)), w); ok || len(got) != 1 {
			t.Errorf("%d bytes went into less", sizeOf(w))
		}
		var ok bool
		if page, ok = AppendWho(page, w); !ok {
			t.Fatalf("%+v does not fit", w)
		}
	}
	rest := page
	for _, w := range whos {
		who, tail, ok := NextWho(rest)
		if !ok || fmt.Sprintf("%+v", who) != fmt.Sprintf("%+v", w) {
			t.Errorf("%+v came back as %+v %v", w, who, ok)
		}
		rest = tail
	}
	if len(rest) > 0 {
		t.Errorf("%d bytes are left", len(rest))
	}
	want := []byte{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
		4, 0, 2, 1, 192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 1, 0, 3, 0, 'u', 'a', '/', 'b', 'p', '1'}
	if !bytes.HasPrefix(page, want) {
		t.Errorf("layout: %v, not %v", page[:len(want)], want)
	}
}

// A name that is too long is cut off: its session must not keep others out of the list.
func TestWhoIsCutOff(t *testing.T) {
	t.Parallel()
	huge := bytes.Repeat([]byte("x"), 1<<17)
	b, ok := AppendWho(make([]byte, 0, 4<<10), Who{User: huge, Name: huge, Program: huge})
	w, rest, ok2 := NextWho(b)
	if !ok || !ok2 || len(w.User) != MaxWho || len(w.Name) != MaxWho || len(w.Program) != MaxWho || len(rest) > 0 {
		t.Errorf("%d, %d and %d bytes, and %d more", len(w.User), len(w.Name), len(w.Program), len(rest))
	}
}

// FuzzWho reads records that no host wrote: NextWho must not panic.
func FuzzWho(f *testing.F) {
	if len(whos) == 0 {
		f.Fatal("no seeds")
	}
	page := make([]byte, 0, 8<<10)
	for _, w := range whos {
		page, _ = AppendWho(page, w)
		f.Add(bytes.Clone(page))
		f.Add(bytes.Clone(page[:len(page)-1]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for {
			w, rest, ok := NextWho(b)
			if !ok {
				return
			}
			if len(rest)+sizeOf(w) != len(b) {
				t.Fatalf("%d bytes became %d", len(b), len(rest)+sizeOf(w))
			}
			b = rest
		}
	})
}
