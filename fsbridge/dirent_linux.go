package fsbridge

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// dirents reads the entries of an open directory by getdents64, which also tells the type
// of most. One goroutine at a time uses it.
type dirents struct {
	conn syscall.RawConn // of the directory
	raw  []byte          // the buffer; nil before the first entry and behind the last
	text string          // what is in raw; names are parts of it
	at   int             // where the next entry begins
	err  error           // how reading ended
}

// The sizes of the buffer: a small one for most directories, which are small, and then one
// with which a large directory takes few calls. FUSE has names of up to 4,095 bytes.
const firstDirents, moreDirents = 8 << 10, 32 << 10

func newDirents(dir *os.File) (dirents, error) {
	conn, err := dir.SyscallConn()
	return dirents{conn: conn}, err
}

// next is the name and the d_type of the next entry; the error is [io.EOF] behind the
// last. It leaves out "." and "..", and a name with a "/", which no disk should have.
func (d *dirents) next() (name string, kind byte, err error) {
	for {
		if d.at == len(d.text) && !d.fill() {
			return "", 0, d.err
		}
		e, size := cutDirent(d.raw[d.at:len(d.text)])
		if size == 0 {
			d.at, d.text, d.err = 0, "", unix.EIO
			continue
		}
		from := d.at + direntName
		name = d.text[from : from+e.name]
		d.at += size
		if e.ino != 0 && name != "" && name != "." && name != ".." && strings.IndexByte(name, '/') < 0 {
			return name, e.kind, nil
		}
	}
}

// fill reads more entries. It returns false when there are none, or after an error.
func (d *dirents) fill() bool {
	d.at, d.text = 0, ""
	if d.err != nil {
		return false
	}
	switch len(d.raw) {
	case 0:
		d.raw = make([]byte, firstDirents)
	case firstDirents:
		d.raw = make([]byte, moreDirents)
	}
	n, fault := 0, error(nil)
	closed := d.conn.Control(func(fd uintptr) {
		fault = again(func() (err error) {
			n, err = unix.Getdents(int(fd), d.raw)
			return err
		})
	})
	switch {
	case closed != nil:
		d.err = fs.ErrClosed
	case fault != nil:
		d.err = fault
	case n <= 0:
		d.err = io.EOF
	default:
		d.text = string(d.raw[:n])
		return true
	}
	d.raw = nil
	return false
}

// dirent is a struct linux_dirent64.
type dirent struct {
	ino  uint64
	kind byte // DT_REG and others
	name int  // the length of the name, which begins at direntName
}

// The offsets of the fields of struct linux_dirent64.
const direntIno, direntSize, direntType, direntName = 0, 16, 18, 19

// cutDirent reads the first entry in raw, of size bytes. size is 0 if raw does not begin
// with a whole entry.
func cutDirent(raw []byte) (e dirent, size int) {
	if len(raw) <= direntName {
		return dirent{}, 0
	}
	size = int(binary.NativeEndian.Uint16(raw[direntSize:]))
	if size <= direntName || size > len(raw) {
		return dirent{}, 0
	}
	end := bytes.IndexByte(raw[direntName:size], 0)
	if end < 0 {
		return dirent{}, 0
	}
	return dirent{binary.NativeEndian.Uint64(raw[direntIno:]), raw[direntType], end}, size
}
