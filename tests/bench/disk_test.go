//go:build linux

package bench

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// disk is a mounted file system that passes on to a folder on the real disk, as slowly as a
// test likes. This process serves it and must not use it: the server under test does.
type disk struct {
	fuse.RawFileSystem              // what is not overridden below waits for nothing
	below              string       // the folder on the real disk
	path               string       // where it is mounted
	waiting            atomic.Int64 // operations that wait for their turn

	mu    sync.Mutex
	turns chan struct{}  // each element lets one operation happen; closed lets all
	stop  chan struct{}  // closed to end the goroutine that gives turns, which then closes turns; nil if there is none
	ended sync.WaitGroup // that goroutine
}

// newDisk mounts a disk that is as fast as the real one, until the test ends. It skips the
// test where that is impossible.
func newDisk(b testing.TB) *disk {
	b.Helper()
	d := &disk{below: b.TempDir(), path: b.TempDir(), turns: make(chan struct{})}
	close(d.turns)
	root, err := fs.NewLoopbackRoot(d.below)
	if err != nil {
		b.Fatal(err)
	}
	d.RawFileSystem = fs.NewNodeFS(root, &fs.Options{}) // the kernel caches no names and no attributes
	// The library's own mount would leave the device open in the servers that the test
	// starts. After a crash of the test they would then wait for themselves.
	device, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Skipf("there is no FUSE here: %v", err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d", device, os.Getuid(), os.Getgid())
	if err := unix.Mount("slow", d.path, "fuse", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		unix.Close(device)
		b.Skipf("only root can mount: %v", err)
	}
	server, err := fuse.NewServer(d, fmt.Sprintf("/dev/fd/%d", device), &fuse.MountOptions{
		DisabledCapabilities: fuse.CAP_PASSTHROUGH, // else the kernel reads and writes the files below by itself
	})
	if err != nil {
		unix.Unmount(d.path, unix.MNT_DETACH|unix.MNT_FORCE)
		unix.Close(device)
		b.Fatal(err)
	}
	go server.Serve()
	b.Cleanup(func() {
		d.release()
		// MNT_FORCE fails what still waits, as /sys/fs/fuse/connections/N/abort does.
		if err := unix.Unmount(d.path, unix.MNT_DETACH|unix.MNT_FORCE); err != nil {
			b.Errorf("unmount: %v", err)
		}
		server.Wait()
	})
	return d
}

// startServer starts the engine's server, in which the user "slow" has the disk as folder,
// and all others have root. When the test ends, the disk is released before the server has
// to end: a process cannot end while a disk keeps its threads.
func (d *disk) startServer(b testing.TB, root string) *process {
	b.Helper()
	b.Setenv(slowFolder, d.path)
	p := startProcess(b, "engine", root)
	b.Cleanup(d.release)
	return p
}

// slow lets one operation of all happen each time that interval has passed; 0 lets none
// happen.
func (d *disk) slow(interval time.Duration) {
	d.release()
	d.mu.Lock()
	defer d.mu.Unlock()
	turns, stop := make(chan struct{}), make(chan struct{})
	d.turns, d.stop = turns, stop
	d.ended.Go(func() {
		defer close(turns)
		giveTurns(turns, stop, interval)
	})
}

// giveTurns gives a turn each time that interval has passed, until stop is closed. A turn
// that no operation waits for is kept for the next.
func giveTurns(turns chan<- struct{}, stop <-chan struct{}, interval time.Duration) {
	if interval == 0 {
		<-stop
		return
	}
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
		case <-stop:
			return
		}
		select {
		case turns <- struct{}{}:
		case <-stop:
			return
		}
	}
}

// release lets all operations happen at once, those that wait too.
func (d *disk) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stop != nil {
		close(d.stop)
		d.stop = nil
	}
	d.ended.Wait()
}

// wait waits for the operation's turn. It waits on when the kernel asks to interrupt the
// operation: a disk would, too.
func (d *disk) wait() {
	d.mu.Lock()
	turns := d.turns
	d.mu.Unlock()
	d.waiting.Add(1)
	<-turns
	d.waiting.Add(-1)
}

func (d *disk) Lookup(cancel <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	d.wait()
	return d.RawFileSystem.Lookup(cancel, header, name, out)
}

func (d *disk) GetAttr(cancel <-chan struct{}, input *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	d.wait()
	return d.RawFileSystem.GetAttr(cancel, input, out)
}

func (d *disk) SetAttr(cancel <-chan struct{}, input *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	d.wait()
	return d.RawFileSystem.SetAttr(cancel, input, out)
}

func (d *disk) Statx(cancel <-chan struct{}, input *fuse.StatxIn, out *fuse.StatxOut) fuse.Status {
	d.wait()
	return d.RawFileSystem.Statx(cancel, input, out)
}

func (d *disk) Unlink(cancel <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	d.wait()
	return d.RawFileSystem.Unlink(cancel, header, name)
}

func (d *disk) Rename(cancel <-chan struct{}, input *fuse.RenameIn, from, to string) fuse.Status {
	d.wait()
	return d.RawFileSystem.Rename(cancel, input, from, to)
}

func (d *disk) Link(cancel <-chan struct{}, input *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	d.wait()
	return d.RawFileSystem.Link(cancel, input, name, out)
}

func (d *disk) Create(cancel <-chan struct{}, input *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	d.wait()
	return d.RawFileSystem.Create(cancel, input, name, out)
}

func (d *disk) Tmpfile(cancel <-chan struct{}, input *fuse.CreateIn, out *fuse.CreateOut) fuse.Status {
	d.wait()
	return d.RawFileSystem.Tmpfile(cancel, input, out)
}

func (d *disk) Open(cancel <-chan struct{}, input *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	d.wait()
	return d.RawFileSystem.Open(cancel, input, out)
}

func (d *disk) Read(cancel <-chan struct{}, input *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	d.wait()
	return d.RawFileSystem.Read(cancel, input, buf)
}

// Writev is called for every write; the library never calls Write.
func (d *disk) Writev(cancel <-chan struct{}, input *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	d.wait()
	return d.RawFileSystem.Writev(cancel, input, data)
}

func (d *disk) Flush(cancel <-chan struct{}, input *fuse.FlushIn) fuse.Status {
	d.wait()
	return d.RawFileSystem.Flush(cancel, input)
}

func (d *disk) Fsync(cancel <-chan struct{}, input *fuse.FsyncIn) fuse.Status {
	d.wait()
	return d.RawFileSystem.Fsync(cancel, input)
}

func (d *disk) OpenDir(cancel <-chan struct{}, input *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	d.wait()
	return d.RawFileSystem.OpenDir(cancel, input, out)
}

func (d *disk) ReadDir(cancel <-chan struct{}, input *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	d.wait()
	return d.RawFileSystem.ReadDir(cancel, input, out)
}

func (d *disk) ReadDirPlus(cancel <-chan struct{}, input *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	d.wait()
	return d.RawFileSystem.ReadDirPlus(cancel, input, out)
}
