package fsbridge

import "io/fs"

// ReadOnly is fsys without the methods that change it: it has Open, Stat, Lstat, Enter,
// ReadLink, TellsCreated, NoLinks and FoldsNames only. If fsys has no symbolic links, neither has it.
func ReadOnly(fsys fs.FS) fs.FS { return readOnly{fsys} }

type readOnly struct{ fsys fs.FS }

func (r readOnly) Open(name string) (fs.File, error)      { return r.fsys.Open(name) }
func (r readOnly) Stat(name string) (fs.FileInfo, error)  { return fs.Stat(r.fsys, name) }
func (r readOnly) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(r.fsys, name) }
func (r readOnly) ReadLink(name string) (string, error)   { return fs.ReadLink(r.fsys, name) }

func (r readOnly) TellsCreated() bool {
	c, ok := r.fsys.(CreatedFS)
	return ok && c.TellsCreated()
}

func (r readOnly) NoLinks() bool { return goesThroughNone(r.fsys) }

func (r readOnly) FoldsNames() bool {
	f, ok := r.fsys.(FoldingFS)
	return ok && f.FoldsNames()
}

// Enter is that of fsys. If fsys has none, every directory can be entered.
func (r readOnly) Enter(name string) error {
	if e, ok := r.fsys.(EnterFS); ok {
		return e.Enter(name)
	}
	return nil
}
