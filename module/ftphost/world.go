//go:build wasip1

package main

import (
	"math"
	"net/netip"
	"unsafe"

	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

// imports is an [ftp.World] whose methods call the imports. Its zero value is ready. An
// instance has one, for all sessions.
type imports struct {
	page   [32 << 10]byte // of a directory or of the list of sessions, during one call
	dirent wasi.Dirent    // the record of a directory that ListNext is at
	entry  ftp.Entry      // the same for the engine
}

var (
	_ ftp.World         = (*imports)(nil)
	_ ftp.Transferer    = (*imports)(nil)
	_ ftp.TLSStopper    = (*imports)(nil)
	_ ftp.Namer         = (*imports)(nil)
	_ ftp.ProgramNamer  = (*imports)(nil)
	_ ftp.Styler        = (*imports)(nil)
	_ ftp.TLSJoiner     = (*imports)(nil)
	_ ftp.Hasher        = (*imports)(nil)
	_ ftp.Deflater      = (*imports)(nil)
	_ ftp.Spacer        = (*imports)(nil)
	_ ftp.Hosts         = (*imports)(nil)
	_ ftp.UmaskSetter   = (*imports)(nil)
	_ ftp.SessionLister = (*imports)(nil)
	_ ftp.SessionKicker = (*imports)(nil)
	_ ftp.Linker        = (*imports)(nil)
	_ ftp.TreeRemover   = (*imports)(nil)
	_ ftp.Copier        = (*imports)(nil)
	_ ftp.Enterer       = (*imports)(nil)
)

// fault is the engine's error for the errno that an import returns, nil for OK.
func fault(errno uint32) error { return ftp.Fault(wasi.Errno(errno)) }

// pointer gives a slice as the two parameters that imports take for it.
func pointer(p []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p))
}

// readEvents takes up to len(dst) events off the host's queue and returns how many. buf
// has room for as many records.
func readEvents(dst []ftp.Event, buf []byte) int {
	var n uint32
	p, size := pointer(buf[:len(dst)*wasi.EventSize])
	if eventsRead(p, size, &n) != 0 {
		return 0
	}
	n = min(n, uint32(len(dst)))
	for i := range dst[:n] {
		e := wasi.GetEvent(buf[i*wasi.EventSize:])
		to := &dst[i]
		to.Kind, to.Session, to.Handle = 0, ftp.Handle(e.Session), ftp.Handle(e.Handle)
		if int(e.Kind) < len(eventKinds) { // a later host may have others, which the engine ignores
			to.Kind = eventKinds[e.Kind]
		}
		to.Bytes, to.Time, to.Secure = e.Value, int64(e.Value), e.Kind == wasi.EventOpen && e.Value == 1
		to.Rights, to.Able = e.Rights()
		to.Err = fault(uint32(e.Errno))
	}
	return int(n)
}

var eventKinds = [...]ftp.EventKind{
	wasi.EventOpen: ftp.EventOpen, wasi.EventReadable: ftp.EventReadable, wasi.EventWritable: ftp.EventWritable,
	wasi.EventReady: ftp.EventReady, wasi.EventTransfer: ftp.EventTransfer, wasi.EventDrain: ftp.EventDrain,
	wasi.EventClock: ftp.EventClock, wasi.EventHangup: ftp.EventHangup, wasi.EventRights: ftp.EventRights,
}

// readConfig reads the configuration, size bytes long. ok is false if the host gives none
// that this engine understands.
func readConfig(size uint32) (_ ftp.Config, ok bool) {
	buf := make([]byte, size)
	var n uint32
	p, room := pointer(buf)
	if configRead(p, room, &n) != 0 {
		return ftp.Config{}, false
	}
	w, ok := wasi.GetConfig(buf[:min(n, size)])
	return ftp.Config{
		LoginTime: w.LoginTime, IdleTime: w.IdleTime, StallTime: w.StallTime, DataTime: w.DataTime,
		FailureDelay: w.FailureDelay, LoginFailures: int(w.LoginFailures), LineLength: int(w.LineLength),
		AllowForeignData: w.ForeignData, TLS: w.TLS, Require: ftp.Requirement(w.TLSRequired), Greeting: w.Greeting,
		ShortReads: w.ShortReads, Behaviour: w.Behaviour, Allow: w.Allow, Zone: zoneOf(w.Zone),
	}, ok
}

func zoneOf(z wasi.Zone) (zone []ftp.ZoneChange) {
	for since, ahead := range z.Changes {
		zone = append(zone, ftp.ZoneChange{Since: nanoseconds(since), Ahead: nanoseconds(int64(ahead))})
	}
	return zone
}

// nanoseconds converts seconds, and bounds them where the result would overflow.
func nanoseconds(s int64) int64 {
	const limit = math.MaxInt64 / 1_000_000_000
	return min(max(s, -limit), limit) * 1_000_000_000
}

func address(session ftp.Handle, side uint32) netip.AddrPort {
	var rec [wasi.AddrSize]byte
	if netAddress(uint32(session), side, unsafe.Pointer(&rec)) != 0 {
		return netip.AddrPort{}
	}
	return wasi.GetAddr(rec[:])
}

// LocalAddress implements [ftp.Sockets].
func (*imports) LocalAddress(session ftp.Handle) netip.AddrPort { return address(session, wasi.Local) }

// PeerAddress implements [ftp.Sockets].
func (*imports) PeerAddress(session ftp.Handle) netip.AddrPort { return address(session, wasi.Peer) }

// Read implements [ftp.Sockets].
func (*imports) Read(session ftp.Handle, p []byte) (int, error) {
	var n uint32
	data, size := pointer(p)
	errno := netRead(uint32(session), data, size, &n)
	return int(n), fault(errno)
}

// Write implements [ftp.Sockets].
func (*imports) Write(conn ftp.Handle, p []byte) (int, error) {
	var n uint32
	data, size := pointer(p)
	errno := netWrite(uint32(conn), data, size, &n)
	return int(n), fault(errno)
}

// Listen implements [ftp.Sockets].
func (*imports) Listen(session ftp.Handle, family int) (ftp.Handle, netip.AddrPort, error) {
	var h uint32
	var rec [wasi.AddrSize]byte
	if errno := netListen(uint32(session), uint32(family), &h, unsafe.Pointer(&rec)); errno != 0 {
		return 0, netip.AddrPort{}, fault(errno)
	}
	return ftp.Handle(h), wasi.GetAddr(rec[:]), nil
}

// Accept implements [ftp.Sockets].
func (*imports) Accept(listener ftp.Handle) (ftp.Handle, error) {
	var h uint32
	errno := netAccept(uint32(listener), &h)
	return ftp.Handle(h), fault(errno)
}

// Dial implements [ftp.Sockets].
func (*imports) Dial(session ftp.Handle, to netip.AddrPort) (ftp.Handle, error) {
	var h uint32
	var rec [wasi.AddrSize]byte
	wasi.PutAddr(rec[:], to)
	errno := netDial(uint32(session), unsafe.Pointer(&rec), &h)
	return ftp.Handle(h), fault(errno)
}

// Names implements [ftp.Namer].
func (*imports) Names(session ftp.Handle, utf8 bool, name, b []byte) ([]byte, error) {
	var n uint32
	old, oldLen := pointer(name)
	p, room := pointer(b[len(b):cap(b)])
	errno := sessionNames(uint32(session), flag(utf8, 1), old, oldLen, p, room, &n)
	return b[:len(b)+int(min(n, room))], fault(errno)
}

// NameProgram implements [ftp.ProgramNamer]. A host that does not want the name refuses it,
// and that is no fault.
func (*imports) NameProgram(session ftp.Handle, program []byte) {
	var n uint32
	name, size := pointer(program)
	sessionNames(uint32(session), wasi.NameProgram, name, size, nil, 0, &n)
}

// Style implements [ftp.Styler].
func (*imports) Style(session ftp.Handle) (ftp.Style, error) {
	buf := make([]byte, wasi.MaxStyle)
	var n uint32
	p, room := pointer(buf)
	if err := fault(sessionNames(uint32(session), wasi.NamesStyle, nil, 0, p, room, &n)); err != nil {
		return ftp.Style{}, err
	}
	s, ok := wasi.GetStyle(buf[:min(n, room)])
	if !ok {
		return ftp.Style{}, ftp.ErrName
	}
	return ftp.Style{Owner: s.Owner, Group: s.Group, Zone: zoneOf(s.Zone)}, nil
}

// StartTLS implements [ftp.Sockets].
func (*imports) StartTLS(conn ftp.Handle, reply []byte) error {
	return changeTLS(conn, wasi.TLSServer, reply)
}

// JoinTLS implements [ftp.TLSJoiner].
func (*imports) JoinTLS(conn ftp.Handle) error { return changeTLS(conn, wasi.TLSClient, nil) }

// StopTLS implements [ftp.TLSStopper].
func (*imports) StopTLS(session ftp.Handle, reply []byte) error {
	return changeTLS(session, wasi.TLSEnd, reply)
}

func changeTLS(conn ftp.Handle, part uint32, reply []byte) error {
	p, size := pointer(reply)
	return fault(netTls(uint32(conn), part, p, size))
}

// Close implements [ftp.Sockets].
func (*imports) Close(h ftp.Handle) { handleClose(uint32(h)) }

// Login implements [ftp.Accounts]. It refuses an empty user itself, because the import
// would take that for a logout.
func (*imports) Login(session ftp.Handle, user, password []byte) (ftp.Rights, ftp.Abilities, error) {
	if len(user) == 0 {
		return 0, 0, ftp.ErrPermission
	}
	return login(session, user, password)
}

// Logout implements [ftp.Accounts].
func (*imports) Logout(session ftp.Handle) { login(session, nil, nil) }

func login(session ftp.Handle, user, password []byte) (ftp.Rights, ftp.Abilities, error) {
	var rights, able uint32
	u, uLen := pointer(user)
	p, pLen := pointer(password)
	errno := authLogin(uint32(session), u, uLen, p, pLen, &rights, &able)
	return ftp.Rights(rights), ftp.Abilities(able), fault(errno)
}

func flag(set bool, value uint32) uint32 {
	if set {
		return value
	}
	return 0
}

// Stat implements [ftp.Files].
func (*imports) Stat(session ftp.Handle, name []byte, link bool) (ftp.FileInfo, error) {
	return stat(session, name, flag(link, wasi.StatLink))
}

// Enter implements [ftp.Enterer].
func (*imports) Enter(session ftp.Handle, name []byte) error {
	_, err := stat(session, name, wasi.StatEnter)
	return err
}

func stat(session ftp.Handle, name []byte, flags uint32) (ftp.FileInfo, error) {
	var rec [wasi.StatSize]byte
	p, size := pointer(name)
	errno := fileStat(uint32(session), p, size, flags, unsafe.Pointer(&rec))
	return ftp.FileInfoOf(wasi.GetStat(rec[:])), fault(errno)
}

// List implements [ftp.Files].
func (*imports) List(session ftp.Handle, name []byte, namesOnly bool) (ftp.Handle, error) {
	dir, _, err := open(session, name, wasi.OpenDir|flag(namesOnly, wasi.OpenNames), 0)
	return dir, err
}

func open(session ftp.Handle, name []byte, flags uint32, offset int64) (ftp.Handle, ftp.FileInfo, error) {
	var h uint32
	var rec [wasi.StatSize]byte
	p, size := pointer(name)
	errno := fileOpen(uint32(session), p, size, flags, offset, &h, unsafe.Pointer(&rec))
	return ftp.Handle(h), ftp.FileInfoOf(wasi.GetStat(rec[:])), fault(errno)
}

// ListNext implements [ftp.Files].
func (w *imports) ListNext(dir ftp.Handle, yield func(*ftp.Entry)) (more bool, err error) {
	var n uint32
	p, size := pointer(w.page[:])
	if errno := fileList(uint32(dir), p, size, &n); errno != 0 || n == 0 {
		return false, fault(errno)
	}
	rest := w.page[:min(int(n), len(w.page))]
	for {
		size := wasi.GetDirent(rest, &w.dirent)
		if size == 0 {
			return true, nil
		}
		d := &w.dirent
		w.entry.FileInfo, w.entry.Name, w.entry.Target = ftp.FileInfoOf(d.Stat), d.Name, d.Target
		yield(&w.entry)
		rest = rest[size:]
	}
}

var openFlags = [...]uint32{
	ftp.OpenRead: 0, ftp.OpenReplace: wasi.OpenWrite | wasi.OpenTruncate, ftp.OpenResume: wasi.OpenWrite,
	ftp.OpenAppend: wasi.OpenWrite | wasi.OpenAppend, ftp.OpenUnique: wasi.OpenWrite | wasi.OpenExclusive,
}

// Open implements [ftp.Files].
func (*imports) Open(session ftp.Handle, name []byte, mode ftp.OpenMode, offset int64) (ftp.Handle, ftp.FileInfo, error) {
	return open(session, name, openFlags[mode], offset)
}

// Commit implements [ftp.Files].
func (*imports) Commit(file ftp.Handle) error { return fault(fileCommit(uint32(file))) }

// Mkdir implements [ftp.Files].
func (*imports) Mkdir(session ftp.Handle, name []byte) error { return makeFile(session, name, nil) }

// Symlink implements [ftp.Linker].
func (*imports) Symlink(session ftp.Handle, target, name []byte) error {
	return makeFile(session, name, target)
}

func makeFile(session ftp.Handle, name, target []byte) error {
	n, nLen := pointer(name)
	t, tLen := pointer(target)
	return fault(fileMake(uint32(session), n, nLen, t, tLen))
}

// RemoveFile implements [ftp.Files].
func (*imports) RemoveFile(session ftp.Handle, name []byte) error {
	return remove(session, name, wasi.RemoveFile)
}

// RemoveDir implements [ftp.Files].
func (*imports) RemoveDir(session ftp.Handle, name []byte) error {
	return remove(session, name, wasi.RemoveDir)
}

// RemoveTree implements [ftp.TreeRemover].
func (*imports) RemoveTree(session ftp.Handle, name []byte) error {
	return remove(session, name, wasi.RemoveTree)
}

func remove(session ftp.Handle, name []byte, kind uint32) error {
	p, size := pointer(name)
	return fault(fileRemove(uint32(session), p, size, kind))
}

// Rename implements [ftp.Files].
func (*imports) Rename(session ftp.Handle, from, to []byte) error {
	f, fLen := pointer(from)
	t, tLen := pointer(to)
	return fault(fileRename(uint32(session), f, fLen, t, tLen))
}

// SetTime implements [ftp.Files].
func (*imports) SetTime(session ftp.Handle, name []byte, mtime int64) error {
	return set(session, name, wasi.SetTime, mtime)
}

// SetMode implements [ftp.Files].
func (*imports) SetMode(session ftp.Handle, name []byte, mode uint32) error {
	return set(session, name, wasi.SetMode, int64(mode))
}

func set(session ftp.Handle, name []byte, attribute uint32, value int64) error {
	p, size := pointer(name)
	return fault(fileSet(uint32(session), p, size, attribute, value))
}

// Start implements [ftp.Transferer].
func (*imports) Start(file, conn ftp.Handle, ascii bool, length int64) error {
	return fault(transferStart(uint32(file), uint32(conn), flag(ascii, wasi.TransferASCII), length))
}

// Progress implements [ftp.Transferer] and [ftp.Hasher].
func (*imports) Progress(file ftp.Handle) uint64 {
	var n uint64
	if transferProgress(uint32(file), &n) != 0 {
		return 0
	}
	return n
}

// Hash implements [ftp.Hasher].
func (*imports) Hash(file ftp.Handle, algorithm wasi.Algorithm, length int64, b []byte) ([]byte, error) {
	var n uint32
	p, size := pointer(b[len(b):cap(b)])
	errno := transferHash(uint32(file), uint32(algorithm), length, p, size, &n)
	return b[:len(b)+int(min(n, size))], fault(errno)
}

// Deflate implements [ftp.Deflater].
func (*imports) Deflate(conn ftp.Handle, level int) error {
	return fault(netDeflate(uint32(conn), uint32(level)))
}

// Space implements [ftp.Spacer].
func (*imports) Space(session ftp.Handle, name []byte) (uint64, error) {
	var n uint64
	p, size := pointer(name)
	errno := fileSpace(uint32(session), p, size, &n)
	return n, fault(errno)
}

// Host implements [ftp.Hosts].
func (*imports) Host(session ftp.Handle, name []byte) error {
	p, size := pointer(name)
	return fault(authHost(uint32(session), p, size))
}

// SetUmask implements [ftp.UmaskSetter].
func (*imports) SetUmask(session ftp.Handle, mask uint32) error {
	return fault(sessionUmask(uint32(session), mask))
}

// Sessions implements [ftp.SessionLister].
func (w *imports) Sessions(session ftp.Handle, after uint64, yield func(ftp.SessionInfo)) error {
	var n uint32
	p, size := pointer(w.page[:])
	if errno := sessionList(uint32(session), int64(after), p, size, &n); errno != 0 {
		return fault(errno)
	}
	rest := w.page[:min(int(n), len(w.page))]
	for {
		who, tail, ok := wasi.NextWho(rest)
		if !ok {
			return nil
		}
		info := ftp.SessionInfo{Number: who.Number, Began: who.Began, Bytes: who.Bytes, Client: who.Client, User: who.User,
			Name: who.Name, Program: who.Program}
		if who.Doing <= wasi.DoingCopy { // a newer host may have further values
			info.Doing = ftp.Doing(who.Doing)
		}
		yield(info)
		rest = tail
	}
}

// Kick implements [ftp.SessionKicker].
func (*imports) Kick(session ftp.Handle, number uint64, text []byte) error {
	p, size := pointer(text)
	return fault(sessionKick(uint32(session), int64(number), p, size))
}

// Copy implements [ftp.Copier].
func (*imports) Copy(session ftp.Handle, from, to []byte, appends bool) (ftp.Handle, error) {
	var h uint32
	f, fLen := pointer(from)
	t, tLen := pointer(to)
	errno := fileCopy(uint32(session), f, fLen, t, tLen, flag(appends, wasi.CopyAppend), &h)
	return ftp.Handle(h), fault(errno)
}
