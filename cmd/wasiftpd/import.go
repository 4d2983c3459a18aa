package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"wasiftp/host"
)

func (p *program) importCommand() *cobra.Command {
	var i importer
	cmd := &cobra.Command{
		Use:   "import FORMAT FILE",
		Short: "Print [[user]] tables, or lines of a users file, for the users of another server",
		Long: "import prints [[user]] tables of the configuration file for the users in FILE. FORMAT is one of\n\n" +
			"  pure-ftpd  the pureftpd.passwd of pure-pw, with quotas, rates, sessions, hours and\n" +
			"             client networks; not the database that pure-pw mkdb makes of it\n" +
			"  proftpd    an AuthUserFile, of ftpasswd\n" +
			"  vsftpd     the text that virtual users are made of: a line with a name, a line\n" +
			"             with a password, and so on; the passwords are hashed\n" +
			"  passwd     /etc/passwd, with the hashes of --shadow; root and locked users are\n" +
			"             left out\n\n" +
			"Hashes are taken as they are. What has no place in the tables is left out, and told.\n" +
			"After a fault nothing is printed. The output should be readable to you alone:\n\n" +
			"  (umask 077; wasiftpd import pure-ftpd /etc/pure-ftpd/pureftpd.passwd --rights rw >> wasiftpd.toml)",
		Args: atMost(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usageError{errors.New("FORMAT or FILE is missing; see wasiftpd import --help")}
			}
			return p.importUsers(i, args[0], args[1])
		},
	}
	f := cmd.Flags()
	f.StringVar(&i.rights, "rights", "ro", "the `RIGHTS` of the users: "+host.RightsHelp)
	f.StringVar(&i.root, "root", "", "the folder `DIR` of users for whom FILE has none, counted from the\n"+
		"current one; %u in it is the name (default that of wasiftpd --root)")
	f.StringVar(&i.shadow, "shadow", "/etc/shadow", "for passwd, the hashes are in `FILE`")
	f.BoolVar(&i.lines, "users-file", false, "print lines for the file of --users, which has no place for quotas,\n"+
		"rates, sessions, hours and networks")
	f.BoolVar(&i.skip, "skip-faulty", false, "leave out lines with a fault, and tell of them only")
	return cmd
}

// importer reads the users of another server.
type importer struct {
	rights, root, shadow string
	lines                bool // are printed, and no tables
	skip                 bool

	path    string
	users   []importedUser
	faults  []error
	dropped []string // what has no place here, with its place in path
}

// importedUser is the [[user]] table of a user.
type importedUser struct {
	Name      string   `toml:"name"`
	Password  string   `toml:"password"` // a hash
	Root      string   `toml:"root,omitempty"`
	Rights    string   `toml:"rights"`
	Sessions  int      `toml:"sessions,omitempty"`
	Rate      string   `toml:"rate,omitempty"`
	Quota     string   `toml:"quota,omitempty"`
	AllowFrom []string `toml:"allow_from,omitempty"`
	Hours     []string `toml:"hours,omitempty"`
}

// line is what a users file has a place for.
func (u *importedUser) line() userLine { return userLine{name: u.Name, root: u.Root, rights: u.Rights} }

// limits are what a users file has no place for.
func (u *importedUser) limits() (names []string) {
	for _, limit := range []struct {
		name  string
		given bool
	}{
		{"sessions at a time", u.Sessions != 0}, {"rate", u.Rate != ""}, {"quota", u.Quota != ""},
		{"client networks", u.AllowFrom != nil}, {"hours", u.Hours != nil},
	} {
		if limit.given {
			names = append(names, limit.name)
		}
	}
	return names
}

// formats are the words for the formats of FILE.
var formats = map[string]func(*importer, []string) error{
	"pure-ftpd": (*importer).pureFTPd, "proftpd": (*importer).proFTPD,
	"vsftpd": (*importer).vsftpd, "passwd": (*importer).passwd,
}

func (p *program) importUsers(i importer, format, path string) error {
	read := formats[format]
	if read == nil {
		return usageError{fmt.Errorf("%q is no format; give one of passwd, proftpd, pure-ftpd, vsftpd", format)}
	}
	if _, err := host.ParseRights(i.rights); err != nil {
		return usageError{fmt.Errorf("--rights: %w", err)}
	}
	if abs, err := filepath.Abs(i.root); i.root != "" && err == nil {
		i.root = abs
	}
	i.path = path
	lines, err := readLines(path)
	if err == nil {
		err = read(&i, lines)
	}
	if err != nil {
		return err
	}
	for _, what := range i.dropped {
		fmt.Fprintf(p.stderr, "Left out: %s\n", what)
	}
	if fault := errors.Join(i.faults...); fault != nil && !i.skip {
		return fmt.Errorf("%w\nnothing is printed; mend the lines, or leave them out with --skip-faulty", fault)
	}
	for _, fault := range i.faults {
		fmt.Fprintf(p.stderr, "Left out: %v\n", fault)
	}
	text, err := i.output()
	if err == nil {
		_, err = p.stdout.Write(text)
	}
	if err != nil {
		return fmt.Errorf("cannot print the users: %w", err)
	}
	if f, ok := p.stdout.(*os.File); ok {
		p.warnOfHashes(f.Stat())
	}
	return nil
}

// output is the tables or the lines.
func (i *importer) output() ([]byte, error) {
	var text bytes.Buffer
	if i.lines {
		for _, u := range i.users {
			l := u.line()
			fmt.Fprintln(&text, l.line(u.Password))
		}
		return text.Bytes(), nil
	}
	err := toml.NewEncoder(&text).Encode(struct {
		Users []importedUser `toml:"user,omitempty"`
	}{i.users})
	return text.Bytes(), err
}

func readLines(path string) (lines []string, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(content, []byte("PDB2")) {
		return nil, fmt.Errorf("%s: it is the database that pure-pw mkdb makes; give the passwd file that it was made of", path)
	}
	if bytes.ContainsRune(content, 0) {
		return nil, fmt.Errorf("%s: it is no text; give the text that the database was made of", path)
	}
	scan := bufio.NewScanner(bytes.NewReader(content))
	scan.Buffer(nil, len(content)+1)
	for scan.Scan() {
		lines = append(lines, strings.TrimPrefix(scan.Text(), byteOrderMark))
	}
	return lines, scan.Err()
}

// emptyLine reports whether a line is to be passed over.
func emptyLine(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '#'
}

func (i *importer) fault(n int, err error) {
	i.faults = append(i.faults, fmt.Errorf("%s:%d: %w", i.path, n, err))
}

func (i *importer) drop(n int, format string, args ...any) {
	i.dropped = append(i.dropped, fmt.Sprintf("%s:%d: ", i.path, n)+fmt.Sprintf(format, args...))
}

// dropOwners tells of the uid and gid of all users.
func (i *importer) dropOwners() {
	if len(i.users) > 0 {
		i.dropped = append(i.dropped, i.path+": each uid and gid: all files belong to the user that the server runs as")
	}
}

// add takes over the user of line n. His root may be "".
func (i *importer) add(n int, u importedUser) {
	u.Rights = i.rights
	err := i.settle(&u)
	if err == nil && slices.ContainsFunc(i.users, func(other importedUser) bool { return other.Name == u.Name }) {
		err = fmt.Errorf("user %q is there twice", u.Name)
	}
	if err != nil {
		i.fault(n, err)
		return
	}
	if i.lines {
		for _, limit := range u.limits() {
			i.drop(n, "the %s of user %q", limit, u.Name)
		}
	}
	i.users = append(i.users, u)
}

// settle checks a user, and gives him the root that he lacks.
func (i *importer) settle(u *importedUser) error {
	if err := checkName(u.Name); err != nil {
		return err
	}
	switch {
	case u.Root == "" && strings.Contains(i.root, "%u"):
		if !isElement(u.Name) {
			return fmt.Errorf("user %q can have no folder of that name", u.Name)
		}
		u.Root = strings.ReplaceAll(i.root, "%u", u.Name)
	case u.Root == "":
		u.Root = i.root
	case strings.Contains(u.Root, "%u") && !i.lines:
		return fmt.Errorf("the folder %q of user %q holds %%u, which would stand for the name; rename it", u.Root, u.Name)
	}
	if u.Root != "" && !filepath.IsAbs(u.Root) {
		return fmt.Errorf("the folder %q of user %q is not absolute", u.Root, u.Name)
	}
	if !i.lines && !(utf8.ValidString(u.Name) && utf8.ValidString(u.Root)) {
		return fmt.Errorf("the name or the folder of user %q is no UTF-8, which TOML takes alone; rename it", u.Name)
	}
	line := u.line()
	if err := line.check(); err != nil {
		return err
	}
	u.Root = line.root
	if _, err := parseHash(u.Password); err != nil {
		return fmt.Errorf("the hash of user %q is by none of argon2, bcrypt, scrypt, yescrypt, sha512-crypt, sha256-crypt "+
			"and md5-crypt; set a new password", u.Name)
	}
	return nil
}

// accountFields are the fields of a line of passwd(5).
func (i *importer) accountFields(n int, line string) (fields []string, ok bool) {
	fields = strings.Split(line, ":")
	if len(fields) != 7 {
		i.fault(n, fmt.Errorf("it has %d fields, not the 7 of NAME:HASH:UID:GID:TEXT:HOME:SHELL", len(fields)))
		return nil, false
	}
	return fields, true
}

// proFTPD reads lines as those of passwd(5).
func (i *importer) proFTPD(lines []string) error {
	for at, line := range lines {
		if emptyLine(line) {
			continue
		}
		if fields, ok := i.accountFields(at+1, line); ok {
			i.add(at+1, importedUser{Name: fields[0], Password: fields[1], Root: fields[5]})
		}
	}
	i.dropOwners()
	return nil
}

// vsftpd reads pairs of lines: a name and a password.
func (i *importer) vsftpd(lines []string) error {
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	for at := 0; at < len(lines); at += 2 {
		if at+1 == len(lines) {
			i.fault(at+1, errors.New("a user without a line for the password"))
			break
		}
		if err := checkPassword(lines[at+1]); err != nil {
			i.fault(at+2, err)
			continue
		}
		hash, err := hashPassword(lines[at+1])
		if err != nil {
			return err
		}
		i.add(at+1, importedUser{Name: lines[at], Password: hash})
	}
	return nil
}

// passwd reads passwd(5), and the hashes of shadow(5).
func (i *importer) passwd(lines []string) error {
	shadow, err := readLines(i.shadow)
	if err != nil {
		return fmt.Errorf("cannot read the hashes: %w; give another file with --shadow", err)
	}
	hashes := map[string]string{}
	for n, line := range shadow {
		if fields := strings.Split(line, ":"); len(fields) >= 2 {
			hashes[fields[0]] = fields[1]
		} else if !emptyLine(line) {
			i.faults = append(i.faults, fmt.Errorf("%s:%d: it is not NAME:HASH:…", i.shadow, n+1))
		}
	}
	locked := 0
	for at, line := range lines {
		if emptyLine(line) {
			continue
		}
		fields, ok := i.accountFields(at+1, line)
		if !ok {
			continue
		}
		hash, known := fields[1], true
		if hash == "x" {
			hash, known = hashes[fields[0]]
		}
		uid, err := strconv.ParseUint(fields[2], 10, 32)
		switch {
		case err != nil:
			i.fault(at+1, fmt.Errorf("%q is no number of a user", fields[2]))
		case uid == 0:
			i.drop(at+1, "user %q, who is root", fields[0])
		case !known:
			i.fault(at+1, fmt.Errorf("user %q has no line in %s", fields[0], i.shadow))
		case hash == "":
			i.drop(at+1, "user %q, who has no password", fields[0])
		case hash[0] == '*' || hash[0] == '!':
			locked++
		default:
			i.add(at+1, importedUser{Name: fields[0], Password: hash, Root: fields[5]})
		}
	}
	if locked > 0 {
		i.dropped = append(i.dropped, fmt.Sprintf("%s: %d users who are locked", i.path, locked))
	}
	return nil
}
