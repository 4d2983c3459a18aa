package ftp_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
	"wasiftp/wasi"
)

// quiet is a world that allocates nothing. Its client sends the same text again and
// again, and it counts the bytes that come back.
type quiet struct {
	left    string // what the engine has not read yet
	written int
	handles ftp.Handle
	entry   ftp.Entry  // lent to the engine
	moves   bool       // it moves the bytes of files
	file    ftp.Handle // whose bytes are moving, 0 for none
}

func (q *quiet) LocalAddress(ftp.Handle) netip.AddrPort { return ftptest.ServerAddress }
func (q *quiet) PeerAddress(ftp.Handle) netip.AddrPort  { return ftptest.ClientAddress }
func (q *quiet) Read(_ ftp.Handle, p []byte) (int, error) {
	if q.left == "" {
		return 0, ftp.ErrAgain
	}
	n := copy(p, q.left)
	q.left = q.left[n:]
	return n, nil
}
func (q *quiet) Write(_ ftp.Handle, p []byte) (int, error) {
	q.written += len(p)
	return len(p), nil
}
func (q *quiet) handle() ftp.Handle {
	q.handles++
	return q.handles + 1<<16
}
func (q *quiet) Listen(ftp.Handle, int) (ftp.Handle, netip.AddrPort, error) {
	return q.handle(), ftptest.ServerAddress, nil
}
func (q *quiet) Accept(ftp.Handle) (ftp.Handle, error)               { return q.handle(), nil }
func (q *quiet) Dial(ftp.Handle, netip.AddrPort) (ftp.Handle, error) { return q.handle(), nil }
func (q *quiet) StartTLS(ftp.Handle, []byte) error                   { return nil }
func (q *quiet) Close(ftp.Handle)                                    {}
func (q *quiet) Login(_ ftp.Handle, _, password []byte) (ftp.Rights, ftp.Abilities, error) {
	if string(password) != "p" {
		return 0, 0, ftp.ErrPermission
	}
	return ftptest.All | wasi.RightAdmin, 0xffff, nil
}
func (q *quiet) Logout(ftp.Handle) {}
func (q *quiet) Stat(_ ftp.Handle, name []byte, _ bool) (ftp.FileInfo, error) {
	if len(name) > 100 {
		return ftp.FileInfo{}, ftp.ErrNotExist
	}
	if string(name) == "file" {
		return ftp.FileInfo{}, nil
	}
	return ftp.FileInfo{Type: ftp.Dir}, nil
}
func (q *quiet) List(ftp.Handle, []byte, bool) (ftp.Handle, error) {
	q.handles |= 1023
	return q.handle(), nil
}

var entryName = []byte("some name")

func (q *quiet) ListNext(_ ftp.Handle, yield func(*ftp.Entry)) (bool, error) {
	q.handles++
	for i := range 100 {
		q.entry = ftp.Entry{Name: entryName, FileInfo: ftp.FileInfo{
			Type: ftp.FileType(i % 4), Mode: uint32(i * 77 & 0o7777), Links: uint32(i), Size: 1 << (i % 64),
			ModTime: int64(i-50) * 1e16, Created: int64(i % 3),
		}}
		if q.entry.Type == ftp.Link {
			q.entry.Target = entryName
		}
		yield(&q.entry)
	}
	return q.handles%16 != 0, nil
}
func (q *quiet) Open(ftp.Handle, []byte, ftp.OpenMode, int64) (ftp.Handle, ftp.FileInfo, error) {
	return q.handle(), ftp.FileInfo{}, nil
}
func (q *quiet) Commit(ftp.Handle) error                  { return nil }
func (q *quiet) Mkdir(ftp.Handle, []byte) error           { return nil }
func (q *quiet) RemoveFile(ftp.Handle, []byte) error      { return nil }
func (q *quiet) RemoveDir(ftp.Handle, []byte) error       { return nil }
func (q *quiet) Rename(ftp.Handle, []byte, []byte) error  { return nil }
func (q *quiet) SetTime(ftp.Handle, []byte, int64) error  { return nil }
func (q *quiet) SetMode(ftp.Handle, []byte, uint32) error { return nil }
func (q *quiet) SetUmask(ftp.Handle, uint32) error        { return nil }
func (q *quiet) RemoveTree(ftp.Handle, []byte) error      { return nil }
func (q *quiet) Sessions(_ ftp.Handle, after uint64, yield func(ftp.SessionInfo)) error {
	for i := range min(100, max(after, 1000)-after) {
		yield(ftp.SessionInfo{Number: after + i + 1, Client: ftptest.ClientAddress, Doing: wasi.DoingUpload, User: entryName,
			Name: entryName, Program: entryName})
	}
	return nil
}
func (q *quiet) Kick(_ ftp.Handle, number uint64, _ []byte) error {
	if number == 7 {
		return nil
	}
	return ftp.ErrNotExist
}
func (q *quiet) Copy(ftp.Handle, []byte, []byte, bool) (ftp.Handle, error) {
	return q.handle(), nil
}
func (q *quiet) Start(file, _ ftp.Handle, _ bool, _ int64) error {
	if !q.moves {
		return ftp.ErrReset
	}
	q.file = file
	return nil
}
func (q *quiet) Progress(ftp.Handle) uint64          { return 0 }
func (q *quiet) session(e *ftp.Engine, h ftp.Handle) { q.event(e, ftp.EventOpen, h) }
func (q *quiet) say(e *ftp.Engine, h ftp.Handle, s string) {
	q.left = s
	q.event(e, ftp.EventReadable, h)
}
func (q *quiet) event(e *ftp.Engine, k ftp.EventKind, h ftp.Handle) {
	events := [1]ftp.Event{{Kind: k, Session: h, Handle: h}}
	for next := e.Step(1, events[:]); next == 1; {
		next = e.Step(1, nil)
	}
	if q.file != 0 {
		events[0] = ftp.Event{Kind: ftp.EventTransfer, Session: h, Handle: q.file, Bytes: 1}
		q.file = 0
		e.Step(1, events[:])
	}
}

// quietStreams is a quiet world in which the engine moves the bytes of files. Each file
// has quietSize bytes.
type quietStreams struct {
	ftp.World // q, without the methods of a Transferer
	q         *quiet
	left      int
}

const quietSize = 3*128<<10 + 5

func (w *quietStreams) Open(h ftp.Handle, name []byte, mode ftp.OpenMode, offset int64) (ftp.Handle, ftp.FileInfo, error) {
	w.left = quietSize
	return w.q.Open(h, name, mode, offset)
}
func (w *quietStreams) Read(h ftp.Handle, p []byte) (int, error) {
	if h > 1<<16 {
		return w.ReadFile(h, p)
	}
	return w.q.Read(h, p)
}
func (w *quietStreams) ReadFile(_ ftp.Handle, p []byte) (int, error) {
	n := min(len(p), w.left)
	w.left -= n
	return n, nil
}
func (w *quietStreams) WriteFile(_ ftp.Handle, p []byte) (int, error) { return w.q.Write(0, p) }
func (w *quietStreams) Reset(ftp.Handle)                              {}

// TestNoAllocationForTransfers: the engine's own server-DTP allocates nothing
// either.
func TestNoAllocationForTransfers(t *testing.T) {
	q := &quiet{}
	e := ftp.New(&quietStreams{World: q, q: q}, ftp.Config{StallTime: 1e12})
	q.session(e, 1)
	q.say(e, 1, "USER u\r\nPASS p\r\n")
	for _, verb := range []string{"TYPE I\r\nRETR", "TYPE I\r\nSTOR", "TYPE A\r\nRETR", "TYPE A\r\nSTOR"} {
		text := "PASV\r\n" + verb + " x\r\n"
		before := q.written
		q.say(e, 1, text)
		assert.Greater(t, q.written-before, quietSize)
		assert.Zero(t, testing.AllocsPerRun(20, func() { q.say(e, 1, text) }), text)
	}
}

// quietTree is a quiet world in which folders have folders, three deep. No name is
// a pattern.
type quietTree struct {
	*quiet
	depth int
	left  int // entries of the folder that is open
}

func (w *quietTree) List(_ ftp.Handle, name []byte, _ bool) (ftp.Handle, error) {
	if bytes.ContainsAny(name, "*[") {
		return 0, ftp.ErrNotExist
	}
	w.depth, w.left = bytes.Count(name, []byte{'/'}), 100
	return w.handle(), nil
}

var folderNames = []byte("abcdefghij")

func (w *quietTree) ListNext(_ ftp.Handle, yield func(*ftp.Entry)) (bool, error) {
	for range min(w.left, 30) {
		w.left--
		w.entry = ftp.Entry{Name: entryName, FileInfo: ftp.FileInfo{ModTime: int64(w.left % 7), Size: uint64(w.left % 11)}}
		if i := w.left % len(folderNames); w.left < 10 && w.depth < 2 {
			w.entry.Type, w.entry.Name = ftp.Dir, folderNames[i:i+1]
		}
		yield(&w.entry)
	}
	return w.left > 0, nil
}

// TestNoAllocationForTrees: listings of many folders, and sorted ones, allocate
// nothing either.
func TestNoAllocationForTrees(t *testing.T) {
	q := &quietTree{quiet: &quiet{}}
	e := ftp.New(q, ftp.Config{StallTime: 1e12, DataTime: 1e12})
	q.session(e, 1)
	q.say(e, 1, "USER u\r\nPASS p\r\n")
	for _, list := range []string{
		"LIST -R top", "LIST -tR top", "LIST -Sr top", "NLST -t top", "NLST to*/?/s*", "LIST -t /*/[a-c]/*/", "NLST */a/b/file",
	} {
		text := "PASV\r\n" + list + "\r\n"
		before := q.written
		q.say(e, 1, text)
		assert.Greater(t, q.written-before, 100, text)
		assert.Zero(t, testing.AllocsPerRun(20, func() { q.say(e, 1, text) }), text)
	}
}

// conversations must cost no allocation, however often they are repeated.
var conversations = []string{
	"NOOP\r\n", "\r\n", "XYZZY\r\n", "PWD\r\n", "CWD /a/b/c\r\nCDUP\r\nCWD ..\r\n", "CWD file\r\n", "CWD " +
		strings.Repeat("x", 3000) + "\r\n",
	"TYPE I\r\nTYPE A N\r\nSTRU F\r\nMODE S\r\nTYPE X\r\n", "SYST\r\nFEAT\r\nHELP\r\nHELP RETR\r\nSTAT\r\nCLNT x\r\n",
	"OPTS UTF8 ON\r\nOPTS MLST type;size;\r\n", "SIZE file\r\nMDTM file\r\nMLST file\r\nMFMT 20200101000000 x\r\n",
	"DELE x\r\nMKD y\r\nRMD y\r\nRNFR a\r\nRNTO b\r\n", "SITE CHMOD 644 x\r\nSITE UTIME 202001010000 x\r\nREST 10\r\nALLO 10\r\n",
	"PASV\r\nEPSV\r\nPORT 192,0,2,7,156,64\r\nABOR\r\nABOR\r\n", "PASV\r\nLIST\r\nPASV\r\nNLST *e\r\nEPSV\r\nMLSD x\r\nSTAT y\r\n",
	"PASV\r\nRETR file\r\nEPSV\r\nSTOR file\r\nPASV\r\nSTOU\r\nPASV\r\nAPPE x\r\n",
	"SITE UMASK 022\r\nSITE UMASK\r\nSITE HELP\r\nSITE IDLE\r\nSITE RMDIR x\r\nSITE CPFR file\r\n", "SITE WHO\r\n",
	"SITE KICK 7 text\r\nSITE KICK 8\r\n",
	"USER u\r\nPASS wrong\r\nREIN\r\nUSER u\r\nPASS p\r\n", strings.Repeat("A", 1<<20) + "\r\n",
}

// TestNoAllocation: the steady state allocates nothing, since in WebAssembly the
// collector runs late (RATIONALE.md). It must not run beside other tests.
func TestNoAllocation(t *testing.T) {
	for _, text := range conversations {
		q := &quiet{}
		e := ftp.New(q, ftp.Config{IdleTime: 1e12, LoginTime: 1e12, StallTime: 1e12, DataTime: 1e12, Allow: allowed})
		q.session(e, 1)
		q.say(e, 1, "USER u\r\nPASS p\r\n")
		before := q.written
		assert.Zero(t, testing.AllocsPerRun(100, func() { q.say(e, 1, text) }), "%.80q", text)
		if text != "\r\n" {
			assert.Greater(t, q.written, before)
		}
	}
}

// TestNoAllocationForMovedFiles: neither do transfers whose bytes the world moves, where the
// engine does not read again after a short read.
func TestNoAllocationForMovedFiles(t *testing.T) {
	q := &quiet{moves: true}
	e := ftp.New(q, ftp.Config{IdleTime: 1e12, LoginTime: 1e12, StallTime: 1e12, DataTime: 1e12, ShortReads: true})
	q.session(e, 1)
	q.say(e, 1, "USER u\r\nPASS p\r\n")
	for _, line := range []string{"NOOP", "TYPE I", "EPSV", "RETR file", "PASV", "STOR file", "SIZE file"} {
		before := q.written
		q.say(e, 1, line+"\r\n")
		assert.Greater(t, q.written, before, line)
	}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		q.say(e, 1, "EPSV\r\n")
		q.say(e, 1, "RETR file\r\n")
		q.say(e, 1, "EPSV\r\n")
		q.say(e, 1, "STOR file\r\n")
	}))
}

// TestNoAllocationForHalfLines: clients that send their lines in two parts take turns with
// the same buffers.
func TestNoAllocationForHalfLines(t *testing.T) {
	q := &quiet{}
	e := ftp.New(q, ftp.Config{})
	q.session(e, 1)
	q.session(e, 2)
	half, rest := strings.Repeat("A", 2000), strings.Repeat("A", 2000)+"\r\n"
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		q.say(e, 1, "NO")
		q.say(e, 2, half)
		q.say(e, 1, "OP\r\n")
		q.say(e, 2, rest)
	}))
}

// TestNoAllocationForSessions: a session takes the memory of one that has ended.
func TestNoAllocationForSessions(t *testing.T) {
	q := &quiet{}
	e := ftp.New(q, ftp.Config{IdleTime: 1e12})
	h := ftp.Handle(1)
	assert.Zero(t, testing.AllocsPerRun(2000, func() {
		q.session(e, h)
		q.say(e, h, "USER u\r\nPASS p\r\nCWD a/b\r\nQUIT\r\n")
		h++
	}))
}

func TestSessionSize(t *testing.T) {
	t.Parallel()
	assert.LessOrEqual(t, ftp.SessionSize, unsafe.Sizeof([448]byte{})) // a size class of Go's allocator
	for _, size := range ftp.Sizes {
		assert.Equal(t, size[1], size[0])
	}
}

func BenchmarkNoop(b *testing.B) {
	q := &quiet{}
	e := ftp.New(q, ftp.Config{IdleTime: 1e12})
	q.session(e, 1)
	b.ReportAllocs()
	for b.Loop() {
		q.say(e, 1, "NOOP\r\n")
	}
}

func BenchmarkList(b *testing.B) {
	q := &quiet{}
	e := ftp.New(q, ftp.Config{})
	q.session(e, 1)
	q.say(e, 1, "USER u\r\nPASS p\r\n")
	b.ReportAllocs()
	for b.Loop() {
		q.say(e, 1, "PASV\r\nLIST\r\n")
	}
	b.ReportMetric(float64(q.written)/float64(b.Elapsed().Microseconds()+1), "MB/s")
}
