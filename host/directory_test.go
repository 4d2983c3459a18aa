package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"testing/synctest"

	"wasiftp/fsbridge"
	"wasiftp/wasi"
)

// shelf is a storage whose root has some directories, and that counts what is read of it.
type shelf struct {
	*fsbridge.Memory
	entries int // that were returned
	reading bool
	closed  int           // how many directories were closed, while none was read
	gate    chan struct{} // nil, or what each ReadDir waits for
	fault   error         // of the last read, instead of the end
}

func newShelf(t *testing.T, count int) (files *shelf, names []string) {
	t.Helper()
	files = &shelf{Memory: fsbridge.NewMemory()}
	for i := range count {
		names = append(names, fmt.Sprintf("%04d", i))
		if err := files.Mkdir(names[i], nil); err != nil {
			t.Fatal(err)
		}
	}
	return files, names
}

func (f *shelf) Open(name string) (fs.File, error) {
	file, err := f.Memory.Open(name)
	if err != nil {
		return nil, err
	}
	return shelfDir{file.(fs.ReadDirFile), f}, nil
}

type shelfDir struct {
	fs.ReadDirFile
	files *shelf
}

func (d shelfDir) ReadDir(n int) ([]fs.DirEntry, error) {
	d.files.reading = true
	if d.files.gate != nil {
		<-d.files.gate
	}
	d.files.reading = false
	page, err := d.ReadDirFile.ReadDir(n)
	d.files.entries += len(page)
	if err != nil && d.files.fault != nil {
		err = d.files.fault
	}
	return page, err
}

func (d shelfDir) Close() error {
	if !d.files.reading {
		d.files.closed++
	}
	return d.ReadDirFile.Close()
}

// openShelf opens the root of the files.
func openShelf(t *testing.T, s *session, files fs.FS) *openDir {
	t.Helper()
	access := fsbridge.Access{FS: files, Rights: ReadOnly}
	listing, err := access.List(".", false)
	if err != nil {
		t.Fatal(err)
	}
	d := &openDir{session: s, listing: listing}
	if !s.server.threads.open.Try(d.user) {
		t.Fatal("no thread")
	}
	var errno wasi.Errno
	if d.handle, errno = s.own(d); errno != wasi.OK {
		t.Fatal(errno)
	}
	return d
}

// recordSize is the size of the record of a name on a shelf.
const recordSize = wasi.DirentSize + 4

// page fetches a page as a guest does, of up to room records. It fails the test if the
// shard gets an event though the guest has not been told to wait for one.
func page(t *testing.T, sh *shard, d *openDir, room int) (names []string, waited bool, errno wasi.Errno) {
	t.Helper()
	b := make([]byte, room*recordSize)
	n, errno := d.fetch(b)
	if waited = errno == wasi.EAGAIN; waited {
		synctest.Wait()
		if events := sh.turn(); len(events) != 1 || events[0].Kind != wasi.EventReady {
			t.Fatalf("%+v", events)
		}
		n, errno = d.fetch(b)
	}
	for rest := b[:n]; len(rest) > 0; {
		_, name, _, tail, ok := wasi.NextDirent(rest)
		if !ok {
			t.Fatalf("a page of %d bytes ends in a part of a record", n)
		}
		names, rest = append(names, string(name)), tail
	}
	synctest.Wait()
	if events := sh.turn(); len(events) > 0 {
		t.Fatalf("%+v, and the guest waits for nothing", events)
	}
	return names, waited, errno
}

// While the guest has a page, the host reads the next one and no more.
func TestNextPageIsReadAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sh := asker(t, Config{})
		files, names := newShelf(t, 1000)
		d := openShelf(t, s, files)
		if synctest.Wait(); files.entries > 0 {
			t.Errorf("%d entries are read of a directory of which the guest wants none yet", files.entries)
		}
		var got []string
		for i := 0; ; i++ {
			part, waited, errno := page(t, sh, d, 256)
			if errno != wasi.OK || waited != (i == 0) {
				t.Fatalf("page %d: %v, waited: %v", i, errno, waited)
			}
			if len(part) == 0 {
				break
			}
			got = append(got, part...)
			if want := min(len(got)+2*256, len(names)); files.entries > want {
				t.Errorf("%d entries are read when the guest has %d", files.entries, len(got))
			}
			if want := min(len(got)+256, len(names)); files.entries < want {
				t.Errorf("only %d entries are read when the guest has %d", files.entries, len(got))
			}
		}
		if !slices.Equal(got, names) {
			t.Errorf("the guest got %d names", len(got))
		}
		d.end()
	})
}

// A guest that asks while the page is being read gets EventReady, as for any question.
func TestNextPageIsAwaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sh := asker(t, Config{})
		files, _ := newShelf(t, 400)
		files.gate = make(chan struct{}, 1)
		files.gate <- struct{}{} // for the first 256 entries
		d := openShelf(t, s, files)
		for range 2 {
			if got, _, errno := page(t, sh, d, 100); errno != wasi.OK || len(got) != 100 {
				t.Fatalf("%d names, %v", len(got), errno)
			}
		}
		b := make([]byte, 100*recordSize)
		for range 2 {
			if _, errno := d.fetch(b); errno != wasi.EAGAIN {
				t.Fatal(errno)
			}
		}
		close(files.gate)
		synctest.Wait()
		if events := sh.turn(); len(events) != 1 || events[0].Kind != wasi.EventReady {
			t.Errorf("%+v", events)
		}
		if n, errno := d.fetch(b); errno != wasi.OK || n != len(b) {
			t.Errorf("%d bytes, %v", n, errno)
		}
		d.end()
	})
}

// No entry is lost or told twice, whatever the guest asks in between, and however much
// room it has.
func TestPagesAfterOtherQuestions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sh := asker(t, Config{})
		files, names := newShelf(t, 1000)
		d := openShelf(t, s, files)
		var got []string
		for i := 0; ; i++ {
			if i%3 == 1 {
				s.ask(questionKey{call: wasi.FileStat, number: int64(i)}, func(context.Context) answer { return answer{} })
				synctest.Wait()
				sh.turn()
			}
			part, _, errno := page(t, sh, d, []int{100, 30, 7, 300, 1}[i%5])
			if errno != wasi.OK {
				t.Fatal(errno)
			}
			if len(part) == 0 {
				break
			}
			got = append(got, part...)
		}
		if !slices.Equal(got, names) {
			t.Errorf("the guest got %d names", len(got))
		}
		d.end()
	})
}

// A fault behind the first page comes after that page, as often as the guest asks.
func TestFaultBehindAPage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sh := asker(t, Config{})
		files, names := newShelf(t, 300)
		files.fault = errors.New("the disk is broken")
		d := openShelf(t, s, files)
		if got, _, errno := page(t, sh, d, 500); errno != wasi.OK || !slices.Equal(got, names) {
			t.Errorf("%d names, %v", len(got), errno)
		}
		for range 2 {
			if _, _, errno := page(t, sh, d, 500); errno != wasi.EIO {
				t.Error(errno)
			}
		}
		d.end()
	})
}

// When the guest closes a directory, or its session ends, nothing more is read. The
// directory is closed once its page is read, and its thread and its question are given
// back.
func TestDirectoryEndsWhileItIsRead(t *testing.T) {
	t.Parallel()
	for name, reading := range map[string]bool{"the page is there": false, "the page is being read": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, sh := asker(t, Config{Limits: Limits{Threads: 8}})
				files, _ := newShelf(t, 2000)
				d := openShelf(t, s, files)
				before := left(&s.server.threads.open)
				if _, errno := d.fetch(make([]byte, 256*recordSize)); errno != wasi.EAGAIN {
					t.Fatal(errno)
				}
				synctest.Wait()
				sh.turn()
				if reading {
					files.gate = make(chan struct{})
				}
				if _, errno := d.fetch(make([]byte, 256*recordSize)); errno != wasi.OK {
					t.Fatal(errno)
				}
				synctest.Wait()
				if !reading {
					sh.turn()
				}
				d.end()
				s.disown(d.handle)
				if s.asked != nil {
					t.Error("the question is still asked")
				}
				if reading {
					close(files.gate)
				}
				synctest.Wait()
				if events := sh.turn(); len(events) > 0 || s.working != 0 {
					t.Errorf("%+v, %d at work", events, s.working)
				}
				if files.closed != 1 || left(&s.server.threads.open) != before+1 {
					t.Errorf("closed %d times; %d threads are left of %d", files.closed, left(&s.server.threads.open), before+1)
				}
			})
		})
	}
}
