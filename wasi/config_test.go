package wasi

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
)

var configs = []Config{
	{},
	{LoginTime: 1, IdleTime: 2, StallTime: 3, DataTime: 4, FailureDelay: 5, LoginFailures: 6, LineLength: 7, Greeting: "hello"},
	{ForeignData: true},
	{TLS: true, TLSRequired: 3, Greeting: "\xff\x00\r\n"},
	{TLSRequired: 1},
	{Behaviour: Behaviour{ASCIIVerbatim: true, MkdirExisting: true, EmptyNLSTFails: true, Owner: "me"}},
	{Greeting: "hello", Behaviour: Behaviour{NoASCIISize: true, MakeParents: true, HideDotFiles: true, Group: "us"}},
	{Allow: Allow{SiteCopy: true, SiteRmdir: true}},
	{Behaviour: Behaviour{HideDotFiles: true}, Allow: Allow{SiteSymlink: true, Combine: true}},
	{Behaviour: Behaviour{NoASCIIRest: true}, Allow: Allow{SSCN: true}, Zone: Zone("").Then(-5, 3600).Then(math.MaxInt64,
		-math.MaxInt32)},
	{Behaviour: Behaviour{NoModeZ: true, NoHash: true}, Allow: Allow{CCC: true, CPSV: true}},
	{
		LoginTime: math.MaxInt64, IdleTime: math.MinInt64, StallTime: -1, LoginFailures: math.MaxUint32, LineLength: math.MaxUint32,
		ForeignData: true, TLS: true, TLSRequired: 2, Greeting: strings.Repeat("g", 70_000),
	},
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range configs {
		b := c.Append([]byte("before"))[len("before"):]
		got, ok := GetConfig(b)
		if !ok || got != c {
			t.Errorf("%+v came back as %+v, %v", c, got, ok)
		}
		for _, size := range []int{0, 1, len(b) - 1} {
			if _, ok := GetConfig(b[:size]); ok {
				t.Errorf("%d of %d bytes are a record", size, len(b))
			}
		}
		if _, ok := GetConfig(append(b, 0)); ok {
			t.Error("a byte too many is taken")
		}
	}
}

// A record whose length of a text is too large is refused.
func TestConfigWithALyingLength(t *testing.T) {
	t.Parallel()
	for at := configSize - 12; at < configSize; at += 4 {
		b := Config{Greeting: "hello", Behaviour: Behaviour{Owner: "owner", Group: "group"}}.Append(nil)
		for _, length := range []byte{4, 6, 255} {
			b[at] = length
			if _, ok := GetConfig(b); ok {
				t.Errorf("5 bytes are taken for %d", length)
			}
		}
		copy(b[at:], []byte{255, 255, 255, 255})
		if _, ok := GetConfig(b); ok {
			t.Error("5 bytes are taken for 4 GiB")
		}
	}
}

func TestZone(t *testing.T) {
	t.Parallel()
	var got []int64
	for since, ahead := range (Zone("").Then(-1, -3600).Then(1<<40, 7200)).Changes {
		got = append(got, since, int64(ahead))
	}
	if want := []int64{-1, -3600, 1 << 40, 7200}; !slices.Equal(got, want) {
		t.Errorf("%v came back as %v", want, got)
	}
}

func FuzzConfig(f *testing.F) {
	if len(configs) == 0 {
		f.Fatal("no seeds")
	}
	for _, c := range configs {
		b := c.Append(nil)
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, ok := GetConfig(b)
		if !ok {
			return
		}
		again, ok := GetConfig(c.Append(nil))
		if !ok || again != c {
			t.Errorf("%+v came back as %+v", c, again)
		}
		if got := c.Append(nil); !bytes.Equal(got[:48], b[:48]) || !bytes.Equal(got[52:], b[52:]) { // flags unknown are dropped
			t.Errorf("%x was read as %x", b, got)
		}
	})
}
