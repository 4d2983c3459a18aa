package fsbridge

import "io/fs"

// ReadOnly is fsys without whatever could change it: it has Open, Stat, Lstat, Enter
// and ReadLink only. Where fsys has no symbolic links, neither has it.
func ReadOnly(fsys fs.FS) fs.FS { return readOnly{fsys} }

type readOnly struct{ fsys fs.FS }

func (r readOnly) Open(name string) (fs.File, error)      { return r.fsys.Open(name) }
func (r readOnly) Stat(name string) (fs.FileInfo, error)  { return fs.Stat(r.fsys, name) }
func (r readOnly) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(r.fsys, name) }
func (r readOnly) ReadLink(name string) (string, error)   { return fs.ReadLink(r.fsys, name) }
