package ftptest

import (
	"bytes"
	"hash"
	"slices"
	"strings"

	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

// File is a file, a directory or a link.
type File struct {
	Type    ftp.FileType
	Data    []byte
	ModTime int64
	Created int64 // 0 if it is not known
	Mode    uint32
	Target  string     // of a link
	Denied  ftp.Rights // those of the account that it lacks to this file
}

// openFile is a file that is open for a transfer, a hash or a copy.
type openFile struct {
	handle ftp.Handle
	owner  *session
	name   string
	mode   ftp.OpenMode
	data   []byte // bytes that are yet to be read, or have been written
	conn   *conn
	moved  uint64
	length int64     // most bytes of an upload; 0 is no limit
	sum    hash.Hash // nil unless the file is hashed
	source []byte    // bytes that are yet to be hashed or copied
	copies bool
	ascii  bool
	over   bool // all bytes have moved: only Hash, Commit or Close may follow
}

// directory is an open directory.
type directory struct {
	owner   *session
	entries []ftp.Entry
}

// Put makes a file and its parent directories.
func (w *World) Put(name, content string) *File {
	for i := range name {
		if name[i] == '/' && w.Files[name[:i]] == nil {
			w.Mkfolder(name[:i])
		}
	}
	f := &File{Data: []byte(content), ModTime: Start, Mode: 0o644}
	w.Files[name] = f
	return f
}

// Mkfolder makes a directory.
func (w *World) Mkfolder(name string) *File {
	f := &File{Type: ftp.Dir, ModTime: Start, Mode: 0o755}
	w.Files[name] = f
	return f
}

// Content is the content of a file; ok is false if there is no such file.
func (w *World) Content(name string) (content string, ok bool) {
	f := w.Files[name]
	if f == nil || f.Type != ftp.Regular {
		return "", false
	}
	return string(f.Data), true
}

func (f *File) info() ftp.FileInfo {
	return ftp.FileInfo{
		ModTime: f.ModTime, Size: uint64(len(f.Data)), Type: f.Type, Mode: f.Mode, Links: 1, Created: f.Created, Denied: f.Denied,
	}
}

// begin begins a call on a file: it checks the name, waits and checks the right.
func (w *World) begin(call string, h ftp.Handle, right ftp.Rights, name []byte, more ...any) (*session, error) {
	w.checkName(call, name)
	s, ok := get[*session](w, call, h)
	if !ok {
		return nil, ftp.ErrStorage
	}
	if err := w.wait(s, call, append([]any{string(name)}, more...)...); err != nil {
		return nil, err
	}
	if rights := s.account.Rights; rights&right != right || rights == 0 {
		return nil, ftp.ErrPermission
	}
	return s, nil
}

var rootFolder = &File{Type: ftp.Dir, ModTime: Start, Mode: 0o755}

func (w *World) find(name []byte) *File {
	if string(name) == "." {
		return rootFolder
	}
	return w.Files[string(name)]
}

// parent checks that the parent of a name is a directory.
func (w *World) parent(name []byte) error {
	i := bytes.LastIndexByte(name, '/')
	if i < 0 {
		return nil
	}
	switch f := w.find(name[:i]); {
	case f == nil:
		return ftp.ErrNotExist
	case f.Type != ftp.Dir:
		return ftp.ErrNotDir
	}
	return nil
}

// there is begin for a call on a file that must exist, and returns that.
func (w *World) there(call string, h ftp.Handle, right ftp.Rights, name []byte, more ...any) (*File, error) {
	if _, err := w.begin(call, h, right, name, more...); err != nil {
		return nil, err
	}
	f := w.find(name)
	if f == nil {
		return nil, ftp.ErrNotExist
	}
	return f, nil
}

// Stat describes a file.
func (w *World) Stat(h ftp.Handle, name []byte, link bool) (ftp.FileInfo, error) {
	f, err := w.there("Stat", h, 0, name, link)
	if err != nil {
		return ftp.FileInfo{}, err
	}
	return f.info(), nil
}

// Enter checks that a directory can become the current one.
func (w *World) Enter(h ftp.Handle, name []byte) error {
	f, err := w.there("Enter", h, 0, name)
	if err == nil && f.Type != ftp.Dir {
		err = ftp.ErrNotDir
	}
	return err
}

// List opens a directory.
func (w *World) List(h ftp.Handle, name []byte, namesOnly bool) (ftp.Handle, error) {
	f, err := w.there("List", h, wasi.RightList, name, namesOnly)
	if err != nil {
		return 0, err
	}
	if f.Type != ftp.Dir {
		return 0, ftp.ErrNotDir
	}
	return w.newHandle(&directory{w.handles[h].(*session), w.entries(string(name), namesOnly)}), nil
}

// entries are the files in a directory, sorted by name.
func (w *World) entries(name string, namesOnly bool) []ftp.Entry {
	prefix := name + "/"
	if name == "." {
		prefix = ""
	}
	var list []ftp.Entry
	for path, f := range w.Files {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok || strings.Contains(rest, "/") {
			continue
		}
		e := ftp.Entry{Name: []byte(rest)}
		if !namesOnly {
			e.FileInfo, e.Target = f.info(), []byte(f.Target)
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b ftp.Entry) int { return bytes.Compare(a.Name, b.Name) })
	return list
}

// ListNext yields a page of entries.
func (w *World) ListNext(h ftp.Handle, yield func(*ftp.Entry)) (bool, error) {
	d, ok := get[*directory](w, "ListNext", h)
	if !ok {
		return false, ftp.ErrStorage
	}
	if err := w.wait(d.owner, "ListNext", h, len(d.entries)); err != nil {
		return false, err
	}
	page := w.Page
	if page == 0 {
		page = 100
	}
	n := min(page, len(d.entries))
	for i := range n {
		yield(&d.entries[i])
	}
	d.entries = d.entries[n:]
	return n > 0, nil
}

// Open opens a file for a transfer.
func (w *World) Open(h ftp.Handle, name []byte, mode ftp.OpenMode, offset int64) (ftp.Handle, ftp.FileInfo, error) {
	right := ftp.Rights(wasi.RightWrite)
	if mode == ftp.OpenRead {
		right = wasi.RightRead
	}
	s, err := w.begin("Open", h, right, name, mode, offset)
	if err != nil {
		return 0, ftp.FileInfo{}, err
	}
	f := w.find(name)
	u := &openFile{owner: s, name: string(name), mode: mode}
	switch {
	case f != nil && f.Type == ftp.Dir:
		return 0, ftp.FileInfo{}, ftp.ErrIsDir
	case f != nil && mode == ftp.OpenUnique:
		return 0, ftp.FileInfo{}, ftp.ErrExist
	case f == nil && mode == ftp.OpenRead:
		return 0, ftp.FileInfo{}, ftp.ErrNotExist
	case f == nil:
		if err := w.parent(name); err != nil {
			return 0, ftp.FileInfo{}, err
		}
		f = &File{ModTime: w.Now, Mode: 0o644}
	}
	switch size := int64(len(f.Data)); mode {
	case ftp.OpenRead:
		u.data = f.Data[min(offset, size):]
	case ftp.OpenResume:
		if offset > size {
			return 0, ftp.FileInfo{}, ftp.ErrName // as every real storage does
		}
		u.data = slices.Clone(f.Data[:offset])
	case ftp.OpenAppend:
		u.data = slices.Clone(f.Data)
	}
	u.handle = w.newHandle(u)
	return u.handle, f.info(), nil
}

// Commit puts an upload or a copy in the place of its file.
func (w *World) Commit(h ftp.Handle) error {
	u, ok := get[*openFile](w, "Commit", h)
	if !ok {
		return ftp.ErrStorage
	}
	if u.mode == ftp.OpenRead || !u.over && !w.plain {
		w.broken("Commit: not a whole upload")
	}
	if err := w.wait(u.owner, "Commit", u.name); err != nil {
		return err
	}
	if old := w.Files[u.name]; old != nil && u.mode == ftp.OpenResume {
		u.data = append(u.data, old.Data[min(len(u.data), len(old.Data)):]...)
	}
	w.Files[u.name] = &File{Data: u.data, ModTime: w.Now, Mode: u.owner.mode(0o644, 0o666)}
	delete(w.handles, h)
	return nil
}

// Mkdir makes a directory.
func (w *World) Mkdir(h ftp.Handle, name []byte) error {
	s, err := w.begin("Mkdir", h, wasi.RightMkdir, name)
	if err != nil {
		return err
	}
	if w.find(name) != nil {
		return ftp.ErrExist
	}
	if err := w.parent(name); err != nil {
		return err
	}
	f := w.Mkfolder(string(name))
	f.ModTime, f.Mode = w.Now, s.mode(0o755, 0o777)
	return nil
}

// mode is the mode of a new file: own or, under a mask, what that leaves of most.
func (s *session) mode(own, most uint32) uint32 {
	if s.umask == nil {
		return own
	}
	return most &^ *s.umask
}

// RemoveFile removes a file.
func (w *World) RemoveFile(h ftp.Handle, name []byte) error {
	f, err := w.there("RemoveFile", h, wasi.RightDelete, name)
	if err == nil && f.Type == ftp.Dir {
		err = ftp.ErrIsDir
	}
	if err == nil {
		delete(w.Files, string(name))
	}
	return err
}

// RemoveDir removes an empty directory.
func (w *World) RemoveDir(h ftp.Handle, name []byte) error {
	f, err := w.there("RemoveDir", h, wasi.RightDelete, name)
	switch {
	case err != nil:
		return err
	case f.Type != ftp.Dir:
		return ftp.ErrNotDir
	case len(w.entries(string(name), true)) > 0:
		return ftp.ErrNotEmpty
	}
	delete(w.Files, string(name))
	return nil
}

// Rename renames a file or a directory with all below it.
func (w *World) Rename(h ftp.Handle, from, to []byte) error {
	w.checkName("Rename", to)
	f, err := w.there("Rename", h, wasi.RightRename, from, string(to))
	if err != nil {
		return err
	}
	if err := w.parent(to); err != nil {
		return err
	}
	if bytes.HasPrefix(to, append(slices.Clone(from), '/')) {
		return ftp.ErrName
	}
	delete(w.Files, string(from))
	for path, below := range w.Files {
		if rest, ok := strings.CutPrefix(path, string(from)+"/"); ok {
			delete(w.Files, path)
			w.Files[string(to)+"/"+rest] = below
		}
	}
	w.Files[string(to)] = f
	return nil
}

// SetTime sets the modification time.
func (w *World) SetTime(h ftp.Handle, name []byte, mtime int64) error {
	f, err := w.there("SetTime", h, wasi.RightWrite, name, mtime)
	if err == nil {
		f.ModTime = mtime
	}
	return err
}

// SetMode sets the permission bits.
func (w *World) SetMode(h ftp.Handle, name []byte, mode uint32) error {
	f, err := w.there("SetMode", h, wasi.RightWrite, name, mode)
	if err == nil {
		f.Mode = mode
	}
	return err
}

// Space is a million bytes everywhere.
func (w *World) Space(h ftp.Handle, name []byte) (uint64, error) {
	_, err := w.there("Space", h, wasi.RightWrite, name)
	return 1_000_000, err
}
