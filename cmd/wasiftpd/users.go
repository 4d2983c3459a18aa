package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"wasiftp/host"
)

// usersFormat is the users file as help tells it.
const usersFormat = `A users file has a line for each user, and # before a comment:

  NAME:HASH:ROOT:RIGHTS[:charset=CHARSET]

HASH is an argon2id or bcrypt hash; one that begins with * or ! locks the account.
ROOT is a folder, counted from the file's own; when empty it is that of --root.
RIGHTS are ` + rightsHelp + `;
admin is to see who is there, by SITE WHO.
CHARSET is for the names of files, in place of that of --charset.`

const charsetSetting = "charset="

// entry is a line of a users file.
type entry struct {
	line    int
	name    string
	secret  secret // nil for a locked account
	root    string // "" is the server's own
	rights  host.Rights
	charset string // "" is the server's own
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
		line := strings.TrimSpace(strings.TrimPrefix(scan.Text(), "\ufeff")) // Windows' editors begin with a mark
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
	if err := host.CheckCharset(e.charset); err != nil {
		return e, err
	}
	e.rights, err = parseRights(rest[last+1:])
	return e, err
}
