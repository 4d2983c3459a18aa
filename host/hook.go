package host

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"

	"wasiftp/fsbridge"
)

// Hooks are asked before something happens, and may refuse it. A nil field allows all. The
// host asks them itself, whatever command of a client, or fault of the engine, leads there.
//
// A hook that returns nil allows. The error of [Refuse] refuses with that code and text. Any
// other error refuses with the reply that the same error of a storage gets (see the package's
// documentation). A panic is logged, and refuses with 451. The client learns nothing else of
// an error.
//
// Hooks are called from many goroutines at a time. A hook that hangs holds up the session
// that it is asked about, and keeps one of [Limits.Threads] busy. ctx ends with that session.
// But while a command waits for a hook other than BeforeCommit, the engine does not see that
// the client has hung up: give a hook that asks others a time-out. What the account has no right to do is
// refused behind the hook, so a hook may be asked about it.
//
// There are no hooks for what has happened: the [Observer] hears of all that, and with
// [Config.SyncObserver] before the reply is sent.
type Hooks struct {
	// Login is asked when the credentials are right and before the session gets the account.
	// Session.Account names that, but Session.Rights are still zero. Here, and only here, Refuse
	// may say 421, which ends the session. 5yz counts as a failed login, and becomes 530.
	Login func(ctx context.Context, s Session) error

	// BeforeUpload is asked before a file is opened for writing: by STOR, APPE, STOU and as
	// the target of a copy.
	BeforeUpload func(ctx context.Context, s Session, u Upload) error

	// BeforeDownload is asked before a file is opened for reading: by RETR, a hash and as
	// the source of a copy.
	BeforeDownload func(ctx context.Context, s Session, d Download) error

	// BeforeChange is asked about all other changes, and about a copy as a whole. A file can
	// be renamed or linked to another name, of which BeforeUpload and BeforeDownload are not
	// asked: who judges by names needs this hook as well.
	BeforeChange func(ctx context.Context, s Session, c Change) error

	// BeforeCommit is asked when all bytes of an upload or a copy have come, before the
	// storage commits them. It may read them (Upload.Open), refuse them, and have them be
	// committed under another name (Upload.Rename). If it refuses, the upload is aborted. Of a hidden upload
	// (Upload.Hidden) nothing is then left. Others have seen an upload in place, and the
	// storage decides how much of that remains. It is not asked about an upload that is
	// aborted, whose bytes may stay in place too.
	BeforeCommit func(ctx context.Context, s Session, u Upload) error
}

// Upload is an upload that a hook is asked about.
type Upload struct {
	Path      string // absolute, as the account sees it; it may hold any byte but NUL
	From      string // the source of a copy, else ""
	Offset    int64  // in bytes, of REST
	Append    bool   // APPE, or a copy that is appended (COMB)
	Exclusive bool   // STOU: it must replace no file

	// Bytes is how many have come, and Hidden says that nobody sees the upload before it is
	// committed. Before BeforeCommit both are zero.
	Bytes  int64
	Hidden bool

	of *openFile // nil before BeforeCommit
}

// Open opens the file as it will be once it is committed, until BeforeCommit returns. For a
// [*fsbridge.Dir] the reader is an *os.File, unless the upload is empty. The error is
// [errors.ErrUnsupported] in other hooks than BeforeCommit, and if the storage's uploads are
// no [fsbridge.ReadableUpload].
func (u Upload) Open() (io.ReadCloser, error) {
	if u.of != nil {
		if r, ok := u.of.upload.(fsbridge.ReadableUpload); ok {
			return r.Open()
		}
	}
	return nil, errors.ErrUnsupported
}

// Rename has the upload be committed as the file to, an absolute pathname of the account's storage
// like Path. BeforeCommit calls it; the last call counts, and Path undoes the others. The client is
// not told, and Event.Path is the new name.
//
// The hook is the operator's: to may be where the account has no rights, and where no [Rules] let
// it look. It cannot be outside of the storage. The quota counts the file under its new name.
//
// Nothing is replaced. The error is [fs.ErrExist] if there is a file called to, and
// [fs.ErrNotExist] if its folder is missing. If a file of that name is made later, the upload fails
// with 553, a copy with 550. A hidden upload leaves a file called Path as it is; one in place, whose bytes have
// replaced that file's already, is moved. The error is [errors.ErrUnsupported] in other hooks than
// BeforeCommit, and if the storage's uploads are no [fsbridge.RenamableUpload]. Another disk below
// the same root is [syscall.EXDEV], which only the commit finds.
func (u Upload) Rename(to string) error {
	if u.of == nil {
		return errors.ErrUnsupported
	}
	name, absolute := strings.CutPrefix(to, "/")
	if !absolute || name == "." || !fsbridge.ValidName(name) {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrInvalid}
	}
	r, ok := u.of.upload.(fsbridge.RenamableUpload)
	if !ok {
		return errors.ErrUnsupported
	}
	err := r.Rename(u.of.name, name)
	if err == nil {
		u.of.renamed = name
	}
	return err
}

// Download is a file that is about to be read.
type Download struct {
	Path   string // absolute, as the account sees it
	To     string // the target of a copy, else ""
	Offset int64  // in bytes, of REST
}

// ChangeKind says what a [Change] does.
type ChangeKind uint8

// The kinds of changes.
const (
	ChangeMkdir  ChangeKind = 1 + iota // make the directory Path
	ChangeLink                         // make the symbolic link Path, which leads to To
	ChangeDelete                       // delete the file Path
	ChangeRmdir                        // delete the empty directory Path
	ChangeRmtree                       // delete Path with all that is in it; asked again about each file and directory in it
	ChangeRename                       // rename Path to To
	ChangeTime                         // set the time of Path to Time
	ChangeMode                         // set the permission bits of Path to Mode
	ChangeCopy                         // copy Path to To; BeforeDownload, BeforeUpload and BeforeCommit are asked too
)

var changeNames = [...]string{
	ChangeMkdir: "mkdir", ChangeLink: "link", ChangeDelete: "delete", ChangeRmdir: "rmdir", ChangeRmtree: "rmtree",
	ChangeRename: "rename", ChangeTime: "time", ChangeMode: "mode", ChangeCopy: "copy",
}

// String returns the kind as one lower-case word.
func (k ChangeKind) String() string {
	if int(k) < len(changeNames) && changeNames[k] != "" {
		return changeNames[k]
	}
	return "unknown"
}

// changeEvents are the events of changes that were made. Those of a copy are sent at its end.
var changeEvents = [...]EventKind{
	ChangeMkdir: Made, ChangeLink: Linked, ChangeDelete: Deleted, ChangeRmdir: Deleted, ChangeRmtree: Deleted,
	ChangeRename: Renamed, ChangeTime: Changed, ChangeMode: Changed,
}

// changeVerbs are the verbs of changes, where there is one that most clients use.
var changeVerbs = [...]string{
	ChangeMkdir: "MKD", ChangeLink: "", ChangeDelete: "DELE", ChangeRmdir: "RMD", ChangeRmtree: "", ChangeRename: "RNTO",
	ChangeTime: "MFMT", ChangeMode: "",
}

// Change is a change that a hook is asked about. Path and To are absolute, as the account
// sees them, and may hold any byte but NUL.
type Change struct {
	Kind ChangeKind
	Path string
	To   string      // of ChangeRename, ChangeLink and ChangeCopy
	Time time.Time   // of ChangeTime
	Mode fs.FileMode // of ChangeMode
}

// consult asks a hook, and sends the event about a refusal. e has the names.
func (s *session) consult(e Event, hook func() error) error {
	err := s.guard(hookCode, hook)
	if err != nil {
		e.Kind, e.Err = Forbidden, err
		s.spoken.told.Store(true)
		s.observe(e)
	}
	return err
}

// mayLogin asks Login about a login that the session does not have yet.
func (s *session) mayLogin(ctx context.Context, l *login) error {
	hook := s.config.Hooks.Login
	if hook == nil {
		return nil
	}
	described := s.described(l.name)
	described.Folder = l.folder
	return s.guard(hookCode, func() error { return hook(ctx, described) })
}

// mayChange asks BeforeChange.
func (s *session) mayChange(ctx context.Context, user string, c Change) error {
	hook := s.config.Hooks.BeforeChange
	if hook == nil {
		return nil
	}
	return s.consult(Event{User: user, Path: c.Path, To: c.To}, func() error { return hook(ctx, s.described(user), c) })
}

// mayDownload asks BeforeDownload about a file. to is the target of a copy, "" for none.
func (f *openFile) mayDownload(ctx context.Context, offset int64, to string) error {
	s, hook := f.session, f.session.config.Hooks.BeforeDownload
	if hook == nil {
		return nil
	}
	d := Download{Path: "/" + f.name, To: to, Offset: offset}
	e := Event{User: f.user, Folder: f.folder, Path: d.Path, To: to}
	return s.consult(e, func() error { return hook(ctx, f.described(), d) })
}

// mayUpload asks BeforeUpload about the file.
func (f *openFile) mayUpload(ctx context.Context) error {
	s, hook := f.session, f.session.config.Hooks.BeforeUpload
	if hook == nil {
		return nil
	}
	e := Event{User: f.user, Folder: f.folder, Path: f.about.Path}
	return s.consult(e, func() error { return hook(ctx, f.described(), f.about) })
}

// described describes the session for the account that opened the file.
func (f *openFile) described() Session {
	d := f.session.described(f.user)
	d.Folder = f.folder
	return d
}

// mayCommit asks BeforeCommit about the upload, all of which has been written.
func (f *openFile) mayCommit(ctx context.Context) error {
	s, hook := f.session, f.session.config.Hooks.BeforeCommit
	if hook == nil {
		return nil
	}
	u := f.about
	u.Bytes, u.of = f.transfer.bytes.Load(), f
	if hidden, ok := f.upload.(fsbridge.HiddenUpload); ok {
		u.Hidden = hidden.Hidden()
	}
	return s.guard(hookCode, func() error { return hook(ctx, f.described(), u) })
}

// prunes are the files of an account that removes a tree: BeforeChange is asked about each
// file in it. The tree's top was asked about before.
type prunes struct {
	fsbridge.RemoveFS
	top string
	may func(name string) error
}

// pruning returns files whose RemoveTree asks BeforeChange about all below top.
func (s *session) pruning(ctx context.Context, user string, files *fsbridge.Access, top string) *fsbridge.Access {
	storage, ok := files.FS.(fsbridge.RemoveFS)
	if s.config.Hooks.BeforeChange == nil || !ok {
		return files
	}
	asking := *files
	asking.FS = prunes{storage, top, func(name string) error {
		return s.mayChange(ctx, user, Change{Kind: ChangeRmtree, Path: "/" + name})
	}}
	return &asking
}

// Remove implements [fsbridge.RemoveFS].
func (p prunes) Remove(name string) error {
	if name != p.top {
		if err := p.may(name); err != nil {
			return err
		}
	}
	return p.RemoveFS.Remove(name)
}

// ReadDir implements [fs.ReadDirFS].
func (p prunes) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(p.RemoveFS, name) }

// Lstat implements [fs.ReadLinkFS].
func (p prunes) Lstat(name string) (fs.FileInfo, error) {
	if links, ok := p.RemoveFS.(fs.ReadLinkFS); ok {
		return links.Lstat(name)
	}
	return fs.Stat(p.RemoveFS, name)
}

// ReadLink implements [fs.ReadLinkFS].
func (p prunes) ReadLink(name string) (string, error) { return fs.ReadLink(p.RemoveFS, name) }
