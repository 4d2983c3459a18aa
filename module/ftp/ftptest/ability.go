package ftptest

import (
	"slices"
	"strings"

	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

// able is begin for a call that fails if the account's files lack an ability.
func (w *World) able(ability ftp.Abilities, call string, h ftp.Handle, right ftp.Rights, name []byte,
	more ...any) (*session, error) {
	s, err := w.begin(call, h, right, name, more...)
	if err == nil && s.account.Lacks&ability != 0 {
		err = ftp.ErrUnsupported
	}
	return s, err
}

// SetUmask sets the mask for new files and directories.
func (w *World) SetUmask(h ftp.Handle, mask uint32) error {
	s, err := w.able(wasi.AbleUmask, "SetUmask", h, wasi.RightWrite, []byte("."), mask)
	if err == nil {
		s.umask = &mask
	}
	return err
}

// sessionPage is how many sessions one call of Sessions yields.
const sessionPage = 3

// Sessions yields the sessions of this world, which are numbered by their handles.
func (w *World) Sessions(h ftp.Handle, after uint64, yield func(ftp.SessionInfo)) error {
	me, ok := get[*session](w, "Sessions", h)
	if !ok || me.account.Rights&wasi.RightAdmin == 0 {
		return ftp.ErrPermission
	}
	if err := w.fault("Sessions", ""); err != nil {
		return err
	}
	told := 0
	for _, s := range w.sessions {
		if uint64(s.handle) <= after || w.handles[s.handle] != s || told == sessionPage {
			continue
		}
		told++
		info := ftp.SessionInfo{Number: uint64(s.handle), Began: s.began, Client: s.peer, User: []byte(s.user),
			Program: s.program}
		w.describe(s, &info)
		yield(info)
	}
	return nil
}

// Kick ends a session of this world: to the engine its client has gone.
func (w *World) Kick(h ftp.Handle, number uint64, text []byte) error {
	if err := w.fault("Kick", ""); err != nil {
		return err
	}
	me, ok := get[*session](w, "Kick", h)
	if !ok || me.account.Rights&wasi.RightAdmin == 0 {
		return ftp.ErrPermission
	}
	i := slices.IndexFunc(w.sessions, func(s *session) bool { return uint64(s.handle) == number })
	switch {
	case number == uint64(h):
		return ftp.ErrName
	case i < 0:
		return ftp.ErrNotExist
	}
	kicked := w.sessions[i]
	kicked.toClient = append(kicked.toClient, "421 Kicked: "+string(text)+"\r\n"...)
	kicked.hang(true)
	return nil
}

// describe adds to info what a session is doing.
func (w *World) describe(s *session, info *ftp.SessionInfo) {
	i := slices.IndexFunc(w.transfers, func(u *openFile) bool { return u.owner == s })
	if i < 0 {
		return
	}
	u := w.transfers[i]
	info.Name, info.Bytes, info.Doing = []byte(u.name), u.moved, wasi.DoingUpload
	switch {
	case u.copies:
		info.Doing = wasi.DoingCopy
	case u.sum != nil:
		info.Doing = wasi.DoingHash
	case u.mode == ftp.OpenRead:
		info.Doing = wasi.DoingDownload
	}
}

// NameProgram keeps what the client calls its own program.
func (w *World) NameProgram(h ftp.Handle, program []byte) {
	if s, ok := get[*session](w, "NameProgram", h); ok {
		s.program = slices.Clone(program)
	}
}

// Symlink makes a link. No call of this world follows it.
func (w *World) Symlink(h ftp.Handle, target, name []byte) error {
	w.checkName("Symlink", target)
	if _, err := w.able(wasi.AbleSymlink, "Symlink", h, wasi.RightWrite, name, string(target)); err != nil {
		return err
	}
	if w.find(name) != nil {
		return ftp.ErrExist
	}
	if err := w.parent(name); err != nil {
		return err
	}
	w.Files[string(name)] = &File{Type: ftp.Link, ModTime: w.Now, Mode: 0o777, Target: "/" + string(target)}
	return nil
}

// RemoveTree removes a directory with all that is in it.
func (w *World) RemoveTree(h ftp.Handle, name []byte) error {
	if _, err := w.able(wasi.AbleTree, "RemoveTree", h, wasi.RightDelete, name); err != nil {
		return err
	}
	switch f := w.find(name); {
	case string(name) == ".":
		w.broken("RemoveTree: of the root")
		return ftp.ErrPermission
	case f == nil:
		return ftp.ErrNotExist
	case f.Type != ftp.Dir:
		return ftp.ErrNotDir
	}
	for path := range w.Files {
		if path == string(name) || strings.HasPrefix(path, string(name)+"/") {
			delete(w.Files, path)
		}
	}
	return nil
}

// Copy begins to copy a file.
func (w *World) Copy(h ftp.Handle, from, to []byte, appends bool) (ftp.Handle, error) {
	w.checkName("Copy", to)
	s, err := w.able(wasi.AbleUpload, "Copy", h, wasi.RightRead|wasi.RightWrite, from, string(to), appends)
	if err != nil {
		return 0, err
	}
	source, old := w.find(from), w.find(to)
	switch {
	case string(from) == string(to):
		return 0, ftp.ErrName
	case source == nil:
		return 0, ftp.ErrNotExist
	case source.Type == ftp.Dir, old != nil && old.Type == ftp.Dir:
		return 0, ftp.ErrIsDir
	case old != nil && !appends && s.account.Rights&wasi.RightDelete == 0:
		return 0, ftp.ErrPermission
	}
	if err := w.parent(to); err != nil {
		return 0, err
	}
	u := &openFile{owner: s, name: string(to), mode: ftp.OpenReplace, copies: true, source: slices.Clone(source.Data)}
	if appends && old != nil {
		u.mode, u.data = ftp.OpenAppend, slices.Clone(old.Data)
	}
	u.handle = w.newHandle(u)
	w.transfers = append(w.transfers, u)
	return u.handle, nil
}
