package fsbridge

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"wasiftp/wasi"
)

// table is that of the storage's way to compare names. Rules must not be nil.
func (a *Access) table() *ruleTable {
	if f, ok := a.FS.(FoldingFS); ok && f.FoldsNames() {
		return a.Rules.folded()
	}
	return a.Rules.exact
}

// Anywhere are the rights that the account has to some path at least.
func (a *Access) Anywhere() wasi.Rights {
	if a.Rules == nil {
		return a.Rights
	}
	return a.Rights | a.Rules.union
}

// RightsTo are the account's rights to a file, which may be missing.
func (a *Access) RightsTo(name string) wasi.Rights {
	rights, _ := a.rule(name)
	return rights
}

// rule is the rule for a name, nil for none, and the rights to it.
func (a *Access) rule(name string) (wasi.Rights, *rule) {
	if a.Rules == nil {
		return a.Rights, nil
	}
	t := a.table()
	if t.fold != nil {
		if shortName(name) {
			return 0, nil
		}
		name = foldName(name, t.fold)
	}
	if r := t.find(name); r != nil {
		return r.Rights, r
	}
	return a.Rights, nil
}

// leads reports whether a folder without rights is on the way to a file with some of these
// rights, so that it can be entered. The root always can.
func (a *Access) leads(name string, rights wasi.Rights) bool {
	t := a.table()
	if t.fold != nil {
		if shortName(name) {
			return false
		}
		name = foldName(name, t.fold)
	}
	return t.leads(name, rights)
}

// passage reports whether a folder is there for the account only because it is on the way
// to others.
func (a *Access) passage(name string) bool {
	return name == "." || a.leads(name, ^wasi.Rights(0))
}

// uniform reports whether one rule, or none, holds for all that is in a folder.
func (a *Access) uniform(name string) bool {
	t := a.table()
	if t.fold != nil {
		return false // for short names, too
	}
	return t.uniform(name)
}

// listed reports whether the listing of a folder without rights shows an entry, and whether
// only if that is a folder.
func (a *Access) listed(name string) (shown, onlyFolder bool) {
	if rights := a.RightsTo(name); rights != 0 {
		return rights&wasi.RightList != 0, false
	}
	return a.leads(name, wasi.RightList), true
}

// shown reports whether the listing of a folder with rights shows an entry, and whether only
// if that is a folder.
func (a *Access) shown(name string) (shown, onlyFolder bool) {
	if a.RightsTo(name) != 0 {
		return true, false
	}
	return a.passage(name), true
}

// Record is the record of the boundary for a file, with the rights that [Access.Anywhere]
// has and the account lacks to this one.
func (a *Access) Record(name string, info fs.FileInfo) wasi.Stat {
	stat := StatOf(info)
	stat.Mode |= a.denied(name)
	return stat
}

func (a *Access) denied(name string) uint32 {
	if a.Rules == nil {
		return 0
	}
	rights := a.RightsTo(name)
	if rights == 0 {
		rights = wasi.RightRead // it can be entered
		if a.leads(name, wasi.RightList) {
			rights |= wasi.RightList
		}
	}
	return wasi.Denied(a.Anywhere() &^ rights)
}

// may checks that the account has a right to the names, that they are valid, and that they go
// through no symbolic link if there are rules. The last element may be one.
func (a *Access) may(right wasi.Rights, names ...string) error {
	if err := a.allows(right, names...); err != nil || a.Rules == nil {
		return err
	}
	for _, name := range names {
		if err := a.refuseLinks(path.Dir(name)); err != nil {
			return err
		}
	}
	return nil
}

// mayFollow is may for a method that would follow a link that is the last element.
func (a *Access) mayFollow(right wasi.Rights, names ...string) error {
	err := a.allows(right, names...)
	if err != nil || a.Rules == nil {
		return err
	}
	for _, name := range names {
		if err := a.refuseLinks(name); err != nil {
			return err
		}
	}
	return nil
}

// veiled is err, or ErrNotExist where only a folder would be on the way to files with rights:
// an error about something else of that name would tell that there is one.
func (a *Access) veiled(name string, err error) error {
	told := errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR)
	if told && a.Rules != nil && a.RightsTo(name) == 0 {
		return fs.ErrNotExist
	}
	return err
}

// allows is may without a look at the storage.
func (a *Access) allows(right wasi.Rights, names ...string) error {
	if a.Rules == nil && a.Rights&right != right {
		return fs.ErrPermission
	}
	for _, name := range names {
		if !ValidName(name) {
			return fs.ErrInvalid
		}
	}
	if a.Rules == nil {
		return nil
	}
	for _, name := range names {
		rights := a.RightsTo(name)
		hidden := rights == 0 && !a.passage(name)
		switch {
		case hidden:
			return fs.ErrNotExist
		case rights&right != right:
			return fs.ErrPermission
		}
	}
	return nil
}

// refuseLinks fails if an element of name is a symbolic link. Rules compare names, and a link
// would be a second name.
func (a *Access) refuseLinks(name string) error {
	links, ok := a.FS.(fs.ReadLinkFS)
	if !ok || goesThroughNone(a.FS) || name == "." {
		return nil // there are none, or the storage itself refuses them
	}
	return refuseLinks(links, name)
}

func goesThroughNone(fsys fs.FS) bool {
	n, ok := fsys.(NoLinksFS)
	return ok && n.NoLinks()
}

// within returns the results of a Create, with the upload in the largest size of the rule. The
// bytes before an upload that resumes or appends count.
func (r *rule) within(upload Upload, flag int, offset int64, there fs.FileInfo, err error) (Upload, fs.FileInfo, error) {
	if r == nil || r.MaxSize == 0 || err != nil {
		return upload, there, err
	}
	switch {
	case flag == os.O_APPEND && there != nil:
		offset = max(there.Size(), 0)
	case flag != 0:
		offset = 0
	}
	return &limitedUpload{Upload: upload, room: max(r.MaxSize-offset, 0)}, there, nil
}

// limitedUpload is an upload that fails with [syscall.EFBIG] instead of becoming too large.
type limitedUpload struct {
	Upload
	room int64 // bytes that may yet come; below 0 once more have come
}

// openUpload reads what an upload has so far, if its storage can.
func openUpload(up Upload) (io.ReadCloser, error) {
	if r, ok := up.(ReadableUpload); ok {
		return r.Open()
	}
	return nil, errors.ErrUnsupported
}

// Open implements [ReadableUpload].
func (u *limitedUpload) Open() (io.ReadCloser, error) { return openUpload(u.Upload) }

func (u *limitedUpload) inPlace() bool { return InPlace(u.Upload) }

func (u *limitedUpload) cached() (done func(), ok bool) { return Cached(u.Upload) }

// Hidden implements [HiddenUpload].
func (u *limitedUpload) Hidden() bool {
	h, ok := u.Upload.(HiddenUpload)
	return ok && h.Hidden()
}

// Write implements [Upload].
func (u *limitedUpload) Write(p []byte) (int, error) {
	if int64(len(p)) > u.room {
		u.room = -1
		return 0, syscall.EFBIG
	}
	n, err := u.Upload.Write(p)
	u.room -= int64(n)
	return n, err
}

// ReadFrom is that of the upload, which may have the kernel move the bytes.
func (u *limitedUpload) ReadFrom(r io.Reader) (n int64, err error) {
	from, ok := r.(*io.LimitedReader)
	if !ok {
		from = &io.LimitedReader{R: r, N: 1<<63 - 1}
	}
	if room := u.room; room > 0 {
		// One LimitedReader, and not two: the kernel's copy looks into one only.
		part := &io.LimitedReader{R: from.R, N: min(from.N, room)}
		n, err = io.Copy(u.Upload, part)
		from.N -= n
		u.room -= n
	}
	if err != nil || u.room > 0 {
		return n, err
	}
	if more, err := io.CopyN(io.Discard, from, 1); more == 0 && err == io.EOF {
		return n, nil
	} else if more == 0 {
		return n, err
	}
	u.room = -1
	return n, syscall.EFBIG
}

// Commit implements [Upload]. It aborts an upload that was too large.
func (u *limitedUpload) Commit() error {
	if u.room < 0 {
		return cmp.Or(u.Upload.Abort(), error(syscall.EFBIG))
	}
	return u.Upload.Commit()
}

// renames checks what a rename would change in the rights to a file: none may be gained, and
// the new name's rule must take the file.
func (a *Access) renames(from, to string) error {
	if a.Rules == nil {
		return nil
	}
	info, err := a.describe(from, true)
	if err != nil {
		return err
	}
	had, old := a.rule(from)
	has, next := a.rule(to)
	if has&^had != 0 {
		return fs.ErrPermission
	}
	t := a.table()
	if t.fold != nil {
		from, to = foldName(from, t.fold), foldName(to, t.fold)
	}
	switch {
	case info.IsDir():
		if old != next && next.limits() || from != to && (!t.movable(from) || !t.movable(to)) {
			return fs.ErrPermission
		}
		return nil
	case next != nil && next.MaxSize > 0 && old != next && info.Size() > next.MaxSize:
		return syscall.EFBIG
	}
	return next.takes(to)
}

// takes checks that a rule lets an upload have a name.
func (a *Access) takes(r *rule, name string) error {
	if !r.limits() {
		return nil
	}
	if t := a.table(); t.fold != nil {
		name = foldName(name, t.fold)
	}
	return r.takes(name)
}

// SameFile reports whether name leads to the open file, for an account that may write to
// name.
func (a *Access) SameFile(file fs.File, name string) bool {
	info, err := file.Stat()
	if err != nil || a.mayFollow(wasi.RightWrite, name) != nil {
		return false
	}
	other, err := fs.Stat(a.FS, name)
	return err == nil && SameFile(info, other)
}
