package main

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/host/quota"
)

// usersFormat describes the users file in help texts.
const usersFormat = `A users file has a line for each user, and # before a comment:

  NAME:HASH:ROOT:RIGHTS[:charset=CHARSET][:totp=SECRET]

HASH is a hash by argon2id, as passwd makes, or by another argon2, bcrypt, scrypt,
yescrypt, sha512-crypt, sha256-crypt or md5-crypt, as import takes over. One that begins
with * or ! locks the account.
ROOT is a folder, counted from the file's own; when empty it is that of --root.
While it does not exist, the user's logins are refused.
RIGHTS are ` + host.RightsHelp + `;
wo is to put files and make folders, and see none; admin is to see who is there, by
SITE WHO, and to end sessions, by SITE KICK.
CHARSET is for the names of files, in place of that of --charset.
SECRET makes the codes that follow the password; see wasiftpd totp.

The file is loaded again when it changes, and on SIGHUP; one with a fault in it is
not, and what was loaded before stays. Sessions of a user who is gone, locked or
changed in any way end after the transfer that they are at.`

// The settings that may follow the rights of a line, in the order in which they are written.
const (
	charsetSetting = "charset="
	totpSetting    = "totp="
)

var lineSettings = []string{charsetSetting, totpSetting}

// byteOrderMark begins a file that some editors on Windows have written.
const byteOrderMark = "\ufeff"

// entry is a line of a users file, a [[user]] table of the configuration file, or an
// account of the flags. Its zero fields change nothing.
type entry struct {
	line    int    // in the users file, from 1
	place   string // where it stands, for faults
	name    string
	hash    string // as it stands in the file; several with a blank between them
	was     string // the hash in the file before it was made anew by --rehash; "" is none
	file    string // that holds the hash, "" is none
	secret  secret // nil is no password
	root    string // "" is that of --root
	rights  host.Rights
	charset string       // "" is that of --charset
	rates   host.Rates   // the zero value is those of --rate-per-user
	quota   quota.Limits // the zero value is that of --quota-per-user

	totp totpKey // of the code behind the password; "" is none

	// What only [[user]] tables and the answers of sources can set.
	elsewhere   bool // a source has checked the password
	locked      bool
	sessions    *int         // at a time; nil is --max-sessions-per-user
	umask       *fs.FileMode // taken from the permissions of what is made; nil is the process's
	certificate string       // the common name of the client certificate that must be shown; "" is any
	admission   admission
	rules       []fsbridge.Rule

	listZone             *time.Location // nil is that of --list-time-zone
	listOwner, listGroup string         // "" are those of --owner
}

// same says whether two entries give a user the same account.
func (e entry) same(other entry) bool {
	for _, own := range []*entry{&e, &other} {
		own.line, own.place, own.file, own.secret = 0, "", "", nil // the hash tells secrets apart
		own.hash, own.was = cmp.Or(own.was, own.hash), ""
	}
	return reflect.DeepEqual(e, other)
}

// closed says whether nothing that a client sends would let the user in.
func (e *entry) closed() bool {
	return e.locked || e.secret == nil && e.certificate == "" && !e.elsewhere
}

// parseUsers reads a users file. Relative roots count from the folder of path, and faults
// name path. The error has all faults, a line each.
func parseUsers(r io.Reader, path string) (entries []entry, err error) {
	var faults []error
	lines, n := map[string]int{}, 0
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
		e.place, e.file = fmt.Sprintf("%s:%d", path, n), path
		entries = append(entries, e)
	}
	if err := scan.Err(); err != nil {
		faults = append(faults, fmt.Errorf("%s:%d: %w", path, n+1, err))
	}
	return entries, errors.Join(faults...)
}

// parseEntry reads a line. It takes the fields after the root from the end of the line,
// because a root may hold colons (C:\data).
func parseEntry(line, dir string) (e entry, err error) {
	line, settings := cutSettings(line)
	name, rest, _ := strings.Cut(line, ":")
	hash, rest, _ := strings.Cut(rest, ":")
	last := strings.LastIndexByte(rest, ':')
	if last < 0 {
		return e, errors.New("it is not NAME:HASH:ROOT:RIGHTS[:charset=CHARSET][:totp=SECRET]")
	}
	for _, key := range lineSettings {
		if strings.HasPrefix(rest[last+1:], key) { // not repeated: it may be a secret
			return e, fmt.Errorf("%s is given twice", key)
		}
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
	e.charset = settings[charsetSetting]
	if secret, given := settings[totpSetting]; given {
		if e.totp, err = parseTOTP(secret); err != nil {
			return e, err
		}
	}
	if err := host.CheckCharset(e.charset); err != nil {
		return e, err
	}
	e.rights, err = host.ParseRights(rest[last+1:])
	return e, err
}

// cutSettings parts a line into the fields up to the rights and the settings behind them.
func cutSettings(line string) (bare string, settings map[string]string) {
	settings = map[string]string{}
	for {
		at := strings.LastIndexByte(line, ':')
		key, value, _ := strings.Cut(line[at+1:], "=")
		key += "="
		if _, again := settings[key]; at < 0 || again || !slices.Contains(lineSettings, key) {
			return line, settings
		}
		line, settings[key] = line[:at], value
	}
}

// joinSettings makes a line of what cutSettings returns.
func joinSettings(bare string, settings map[string]string) string {
	for _, key := range lineSettings {
		if value, given := settings[key]; given {
			bare += ":" + key + value
		}
	}
	return bare
}

// usersFile is a users file as it was when it was last loaded.
type usersFile struct {
	path    string
	roster  *roster
	entries []entry
	last    string // the outcome of the latest load: the content's hash or the faults
	latest  []any  // what the latest load has changed, for the log
}

func (f *usersFile) label() string   { return "users file" }
func (f *usersFile) files() []string { return []string{f.path} }
func (f *usersFile) logAttrs() []any { return f.latest }

// begin loads the file for the first time. If lines have faults it takes the others all
// the same, so that the start finds the faults of these too.
func (f *usersFile) begin(logger *slog.Logger) error {
	content, err := f.read(logger)
	if err != nil {
		return blame("users", f.path, fmt.Errorf("cannot read the users file: %w; give another with --users", err))
	}
	f.last = contentHash(content)
	f.entries, err = parseUsers(bytes.NewReader(content), f.path)
	return err
}

// load implements [followed].
func (f *usersFile) load(logger *slog.Logger) (changed bool, err error) {
	content, err := f.read(logger)
	hash := contentHash(content)
	if err == nil && hash == f.last {
		return false, nil
	}
	if unsettled(f.path) {
		return false, errUnsettled
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
	f.roster.rehasher.mark(entries)
	old := f.entries
	f.entries = entries
	next, more := f.roster.accounts(f.roster.options.Load(), f.roster.files)
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

// changes lists the users that were added, removed and changed, for the log.
func changes(old, entries []entry) (attrs []any) {
	was := map[string]entry{}
	for _, e := range old {
		was[e.name] = e
	}
	var added, changed []string
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
	for _, of := range []struct {
		key   string
		names []string
	}{{"added", added}, {"removed", slices.Collect(maps.Keys(was))}, {"changed", changed}} {
		if len(of.names) > 0 {
			attrs = append(attrs, of.key, listed(of.names))
		}
	}
	return attrs
}

// maxListed is how many names or paths an attribute in the log lists.
const maxListed = 10

// listed is names for the log, or their number if they are more than maxListed.
func listed(names []string) string {
	if len(names) > maxListed {
		return fmt.Sprintf("%d users", len(names))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// read reads the file. It refuses to read again what can be read only once, such as a
// pipe.
func (f *usersFile) read(logger *slog.Logger) ([]byte, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && f.last != "" {
		return nil, fmt.Errorf("%s: it is no regular file any more", f.path)
	}
	content, err := os.ReadFile(f.path)
	if err == nil && exposed(info) && contentHash(content) != f.last {
		warnOfExposed("users file", f.path, info, logger)
	}
	return content, err
}

// warnOfExposed warns of a file with secrets that everybody can read or change.
func warnOfExposed(what, path string, info fs.FileInfo, logger *slog.Logger) {
	logger.Warn("everybody on this machine can read or change the "+what+", which has passwords or hashes of them; chmod 640 it",
		"file", path, "mode", octal(info.Mode()))
}

// exposed says whether everybody on this machine can read or write a file.
func exposed(info fs.FileInfo) bool {
	return runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode()&0o006 != 0 // Windows has no such bits
}

// regular says whether the file is a regular one, which can be read again.
func (f *usersFile) regular() bool {
	info, err := os.Stat(f.path)
	return err == nil && info.Mode().IsRegular()
}

func contentHash(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }
