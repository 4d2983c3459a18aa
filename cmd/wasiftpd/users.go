package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"wasiftp/host"
)

// usersFormat is the users file as help tells it.
const usersFormat = `A users file has a line for each user, and # before a comment:

  NAME:HASH:ROOT:RIGHTS[:charset=CHARSET]

HASH is an argon2id or bcrypt hash; one that begins with * or ! locks the account.
ROOT is a folder, counted from the file's own; when empty it is that of --root.
Who logs in while it is not there is refused.
RIGHTS are ` + host.RightsHelp + `;
wo is to put files and make folders, and see none; admin is to see who is there, by
SITE WHO.
CHARSET is for the names of files, in place of that of --charset.

The file is loaded again when it changes, and on SIGHUP; one with a fault in it is
not, and what was loaded before stays. Sessions of a user who is gone, locked or
changed in any way end after the transfer that they are at.`

const charsetSetting = "charset="

// byteOrderMark is what Windows' editors begin a file with.
const byteOrderMark = "\ufeff"

// entry is a line of a users file.
type entry struct {
	line    int
	name    string
	hash    string // as it stands there
	secret  secret // nil for a locked account
	root    string // "" is the server's own
	rights  host.Rights
	charset string // "" is the server's own
}

// same says whether two entries give a user the same.
func (e entry) same(other entry) bool {
	return e.hash == other.hash && e.root == other.root && e.rights == other.rights && e.charset == other.charset
}

// parseUsers reads a users file, whose path counts for relative roots and in
// faults: all of them, a line each.
func parseUsers(r io.Reader, path string) ([]entry, error) {
	var (
		entries []entry
		faults  []error
		lines   = map[string]int{}
		n       = 0
	)
	scan := bufio.NewScanner(r)
	for scan.Scan() {
		n++
		line := strings.TrimSpace(strings.TrimPrefix(scan.Text(), byteOrderMark))
		if line == "" || line[0] == '#' {
			continue
		}
		e, err := parseEntry(line, filepath.Dir(path))
		if first, again := lines[e.name]; err == nil && again {
			err = fmt.Errorf("user %q is already in line %d", e.name, first)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", path, n, err))
			continue
		}
		e.line, lines[e.name] = n, n
		entries = append(entries, e)
	}
	if err := scan.Err(); err != nil {
		faults = append(faults, fmt.Errorf("%s:%d: %w", path, n+1, err))
	}
	return entries, errors.Join(faults...)
}

// parseEntry reads a line. A root may hold colons (C:\data), hence the order.
func parseEntry(line, dir string) (e entry, err error) {
	name, rest, _ := strings.Cut(line, ":")
	hash, rest, _ := strings.Cut(rest, ":")
	if at := strings.LastIndexByte(rest, ':'); at >= 0 && strings.HasPrefix(rest[at+1:], charsetSetting) {
		e.charset, rest = rest[at+1+len(charsetSetting):], rest[:at]
	}
	last := strings.LastIndexByte(rest, ':')
	if last < 0 {
		return e, errors.New("it is not NAME:HASH:ROOT:RIGHTS[:charset=CHARSET]")
	}
	e.name, e.root = name, rest[:last]
	if e.root != "" && !filepath.IsAbs(e.root) {
		e.root = filepath.Join(dir, e.root)
	}
	if err := checkName(e.name); err != nil {
		return e, err
	}
	if e.secret, err = parseHash(hash); err != nil {
		return e, err
	}
	e.hash = hash
	if err := host.CheckCharset(e.charset); err != nil {
		return e, err
	}
	e.rights, err = host.ParseRights(rest[last+1:])
	return e, err
}

// usersFile is a users file as it was when it was last loaded.
type usersFile struct {
	path    string
	roster  *roster
	entries []entry
	last    string // what came of the latest load: the content's hash or the faults
	latest  []any  // what the latest load has changed, for the log
}

func (f *usersFile) what() string    { return "users file" }
func (f *usersFile) files() []string { return []string{f.path} }
func (f *usersFile) news() []any     { return f.latest }

// begin loads the file for the first time. Where it has faults, what has none is
// loaded all the same, so that more can be found.
func (f *usersFile) begin(logger *slog.Logger) error {
	content, err := f.read(logger)
	if err != nil {
		return fmt.Errorf("cannot read the users file: %w; give another with --users", err)
	}
	f.last = contentHash(content)
	f.entries, err = parseUsers(bytes.NewReader(content), f.path)
	return err
}

// load is [followed]'s.
func (f *usersFile) load(logger *slog.Logger) (changed bool, err error) {
	content, err := f.read(logger)
	hash := contentHash(content)
	if err == nil && hash == f.last {
		return false, nil
	}
	if inWriting(f.path) {
		return false, errInWriting
	}
	if err == nil {
		err = f.take(content)
	}
	if err != nil {
		hash = err.Error()
	}
	changed, f.last = f.last != hash, hash
	return changed, err
}

func (f *usersFile) take(content []byte) error {
	entries, err := parseUsers(bytes.NewReader(content), f.path)
	old := f.entries
	f.entries = entries
	next, more := f.roster.accounts()
	if err := errors.Join(err, more); err != nil {
		f.entries = old
		return err
	}
	f.latest = append([]any{"file", f.path}, changes(old, entries)...)
	if ended := f.roster.replace(next); ended > 0 {
		f.latest = append(f.latest, "sessions ended", ended)
	}
	return nil
}

// changes says for the log what became of a file's users.
func changes(old, entries []entry) (attrs []any) {
	was := map[string]entry{}
	for _, e := range old {
		was[e.name] = e
	}
	var added, changed, removed []string
	for _, e := range entries {
		before, known := was[e.name]
		delete(was, e.name)
		switch {
		case !known:
			added = append(added, e.name)
		case !e.same(before):
			changed = append(changed, e.name)
		}
	}
	for name := range was {
		removed = append(removed, name)
	}
	for _, of := range []struct {
		what  string
		names []string
	}{{"added", added}, {"removed", removed}, {"changed", changed}} {
		if len(of.names) > 0 {
			attrs = append(attrs, of.what, listed(of.names))
		}
	}
	return attrs
}

// maxListed is how many names a line of the log lists.
const maxListed = 10

// listed is names for the log, or how many they are.
func listed(names []string) string {
	if len(names) > maxListed {
		return fmt.Sprintf("%d users", len(names))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

var errIrregular = errors.New("it is no regular file any more")

// read reads the file. What can be read only once, as a pipe, is not read again.
func (f *usersFile) read(logger *slog.Logger) ([]byte, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && f.last != "" {
		return nil, fmt.Errorf("%s: %w", f.path, errIrregular)
	}
	content, err := os.ReadFile(f.path)
	if err == nil && exposed(info) && contentHash(content) != f.last {
		logger.Warn("everybody on this machine can read or change the users file, which has hashes of passwords; chmod 640 it",
			"file", f.path)
	}
	return content, err
}

// exposed says whether everybody on this machine can read a file, or write to it.
func exposed(info fs.FileInfo) bool {
	return runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode()&0o006 != 0 // Windows has no such bits
}

// follows says whether the file can be read again.
func (f *usersFile) follows() bool {
	info, err := os.Stat(f.path)
	return err == nil && info.Mode().IsRegular()
}

func contentHash(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }
