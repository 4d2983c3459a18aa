package banstore

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wasiftp/host/bans"
)

var (
	alice = netip.MustParseAddr("192.0.2.1")
	hers  = netip.PrefixFrom(alice, 32)
)

// kept is a book with a store in a folder.
func kept(t *testing.T, dir string, fail func(error)) (*bans.Book, *Store) {
	t.Helper()
	book, err := bans.New(bans.Policy{After: 1, Time: time.Hour, Longest: 8 * time.Hour}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, book, fail)
	if err != nil {
		t.Fatal(err)
	}
	return book, s
}

func fails(t *testing.T, book *bans.Book, times int) {
	t.Helper()
	for range times {
		a := book.Attempt(alice, "user")
		if err := a.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.Failed()
	}
}

// Bans outlive the server, and so does their number, by which the next one lasts longer.
func TestBansOutliveTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	book, s := kept(t, dir, nil)
	fails(t, book, 2)
	before := book.Bans()
	if err := s.Close(); err != nil || len(before) != 1 {
		t.Fatal(before, err)
	}
	book, s = kept(t, dir, nil)
	after := book.Bans()
	if len(after) != 1 || after[0].Network != hers || after[0].Nth != 1 || after[0].Failures != 2 ||
		after[0].Until.Sub(before[0].Until).Abs() > time.Second || book.Admit(alice) != bans.ErrBanned {
		t.Errorf("the ban was %+v and is %+v", before, after)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// As if an hour had passed.
	put(t, dir, hers, row{since: hour(-2), until: hour(-1), failures: 2, nth: 1})
	book, s = kept(t, dir, nil)
	defer s.Close()
	if book.Admit(alice) != nil {
		t.Error("a ban that is over is in force")
	}
	fails(t, book, 2)
	if b := book.Bans(); len(b) != 1 || b[0].Nth != 2 || b[0].Until.Sub(b[0].From) != 2*time.Hour {
		t.Errorf("the second ban is %+v", b)
	}
}

func hour(n int) int64 { return time.Now().Add(time.Duration(n) * time.Hour).UnixMilli() }

func put(t *testing.T, dir string, network netip.Prefix, r row) {
	t.Helper()
	book, _ := bans.New(bans.Policy{}, nil)
	s, err := Open(dir, book, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, book, nil); err != nil {
		t.Fatal(err)
	}
	s.note(network, &r)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Whatever a clock has shown, or a disk has made of it, nobody is banned for longer than a
// ban lasts.
func TestNoClockBansForEver(t *testing.T) {
	t.Parallel()
	const century = 100 * 365 * 24
	for name, c := range map[string]struct {
		row
		longest time.Duration // of the rest; 0 is no ban
	}{
		"the clock was ahead":   {row{hour(century), hour(century + 1), 2, 1}, time.Hour},
		"the clock was behind":  {row{hour(-century), hour(1 - century), 2, 1}, 0},
		"the end was moved":     {row{hour(0), hour(9 * 365 * 24), 2, 1}, 8 * time.Hour},
		"the end is before":     {row{hour(2), hour(1), 2, 1}, 0},
		"longer than any":       {row{0, hour(century), 0, 1}, 0},
		"a number of no sense":  {row{hour(0), hour(1), 2, -7}, 0},
		"by hand, for long":     {row{hour(0), hour(90 * 24), 0, 1}, 90 * 24 * time.Hour},
		"the largest of all":    {row{-1 << 63, 1<<63 - 1, 1<<63 - 1, 1<<63 - 1}, 0},
		"a ban with a high nth": {row{hour(0), hour(1), 2, 1<<63 - 1}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put(t, dir, hers, c.row)
			book, s := kept(t, dir, func(err error) { t.Error(err) })
			defer s.Close()
			list := book.Bans()
			if (len(list) == 1) != (c.longest > 0) || len(list) == 1 && time.Until(list[0].Until) > c.longest {
				t.Errorf("the bans are %+v", list)
			}
		})
	}
}

// What another process writes is taken while the server runs.
func TestChangesOfOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := List(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a server: %v", err)
	}
	book, s := kept(t, dir, func(err error) { t.Error(err) })
	defer s.Close()
	until := func(want error) {
		t.Helper()
		for began := time.Now(); book.Admit(alice) != want; time.Sleep(time.Millisecond) {
			if time.Since(began) > time.Minute {
				t.Fatalf("it still is not so: %v", want)
			}
		}
	}
	if err := Add(dir, netip.MustParsePrefix("192.0.2.0/24"), time.Hour); err != nil {
		t.Fatal(err)
	}
	until(bans.ErrBanned)
	if list, err := List(dir); err != nil || len(list) != 1 || list[0].Network.String() != "192.0.2.0/24" {
		t.Errorf("%+v, %v", list, err)
	}
	if ended, err := Clear(dir, hers); ended != 1 || err != nil {
		t.Errorf("%d ended, %v", ended, err)
	}
	until(nil)
	for _, lasts := range []time.Duration{0, -1, 1 << 62} {
		if Add(dir, hers, lasts) == nil {
			t.Errorf("a ban for %v is taken", lasts)
		}
	}
}

// A file that can't be read is moved aside, and told of; another begins.
func TestBrokenFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, File)
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	var told []string
	book, s := kept(t, dir, func(err error) { told = append(told, err.Error()) })
	fails(t, book, 2)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if len(told) != 1 || !strings.Contains(told[0], path+Aside) {
		t.Errorf("%q was told", told)
	}
	if old, err := os.ReadFile(path + Aside); err != nil || !strings.HasPrefix(string(old), "no database") {
		t.Errorf("the old file is %.20q, %v", old, err)
	}
	if list, err := List(dir); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := Open(filepath.Join(dir, "missing"), book, nil); err == nil {
		t.Error("a folder that is not there has a store")
	}
}
