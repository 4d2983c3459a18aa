package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"wasiftp/host"
)

func (p *program) passwdCommand() *cobra.Command {
	var e userLine
	cmd := &cobra.Command{
		Use:   "passwd NAME",
		Short: "Set a user's password in the users file, or print the line for it",
		Long: "passwd asks for a password, or reads a line of stdin, and writes the user's line into the users file,\n" +
			"which it makes if there is none, or in the place of the line that the user has:\n\n" +
			"  wasiftpd passwd alice --users users --root /srv/alice --rights rw\n\n" +
			"Without --users it prints the line. A file that you put it into yourself should be readable to you alone:\n\n" +
			"  (umask 077; wasiftpd passwd alice >> users)\n\n" + usersFormat,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				e.name = args[0]
			}
			return p.passwd(e)
		},
	}
	f := cmd.Flags()
	f.StringVar(&e.file, "users", "", "write the line into `FILE`, and print nothing")
	f.StringVar(&e.root, "root", "", "the user's folder `DIR`, counted from the current one (default that of wasiftpd --root)")
	f.StringVar(&e.rights, "rights", "ro", "the user's `RIGHTS`: "+host.RightsHelp)
	f.StringVar(&e.charset, "charset", "",
		"the character set `NAME` of the user's client, for names of files (default that of wasiftpd --charset)")
	return cmd
}

// userLine has the arguments of passwd.
type userLine struct {
	name, root, rights, charset string
	file                        string // the users file, "" to print the line
}

// check returns the first fault of the arguments. It makes the root absolute.
func (u *userLine) check() (err error) {
	if err := checkName(u.name); err != nil {
		return usageError{err}
	}
	if _, err := host.ParseRights(u.rights); err != nil {
		return usageError{fmt.Errorf("--rights: %w", err)}
	}
	if err := host.CheckCharset(u.charset); err != nil {
		return usageError{fmt.Errorf("--charset: %w", err)}
	}
	if strings.ContainsFunc(u.root, unicode.IsControl) {
		return usageError{errors.New("--root: a folder with control characters in its name can't stand in a users file")}
	}
	if u.root != "" {
		u.root, err = filepath.Abs(u.root)
	}
	return err
}

// line is the user's line in a users file.
func (u *userLine) line(hash string) string {
	line := fmt.Sprintf("%s:%s:%s:%s", u.name, hash, u.root, u.rights)
	if u.charset != "" {
		line += ":" + charsetSetting + u.charset
	}
	return line
}

func (p *program) passwd(u userLine) error {
	if err := u.check(); err != nil {
		return err
	}
	password, err := p.readPassword()
	if err != nil {
		return err
	}
	if err := checkPassword(password); err != nil {
		return err
	}
	hash, err := hashPassword(password)
	if err != nil {
		return err
	}
	if u.file == "" {
		if _, err := fmt.Fprintln(p.stdout, u.line(hash)); err != nil {
			return fmt.Errorf("cannot print the line: %w", err)
		}
		if f, ok := p.stdout.(*os.File); ok {
			p.warnOfHashes(f.Stat())
		}
		return nil
	}
	done, err := setLine(u.file, u.name, u.line(hash))
	if err != nil {
		return fmt.Errorf("cannot write the users file: %w; nothing was changed", err)
	}
	fmt.Fprintf(p.stderr, "User %s was %s %s.\n", u.name, done, u.file)
	p.warnOfHashes(os.Stat(u.file))
	return nil
}

// warnOfHashes warns of a users file that everybody can read or write.
func (p *program) warnOfHashes(info fs.FileInfo, err error) {
	if err == nil && exposed(info) {
		fmt.Fprintf(p.stderr, "Warning: everybody on this machine can read or change the users file (mode %s), "+
			"which has hashes of passwords; chmod 640 it.\n", octal(info.Mode()))
	}
}

// setLine replaces a user's line in a users file, or appends it, and leaves all else as
// it is. done says which of the two. The secret of the user's codes stays.
func setLine(file, name, line string) (done string, err error) {
	err = changeFile(file, func(text string) (string, error) {
		own := line
		if old, known := lineOf(text, name); known {
			if _, settings := cutSettings(old); settings[totpSetting] != "" {
				own += ":" + totpSetting + settings[totpSetting]
			}
		}
		with, replaced := withLine(text, name, own)
		done = "added to"
		if replaced {
			done = "changed in"
		}
		return with, nil
	})
	return done, err
}

// lineOf is the first line of a user in the text of a users file.
func lineOf(text, name string) (line string, known bool) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.TrimPrefix(line, byteOrderMark))
		if who, _, _ := strings.Cut(line, ":"); who == name {
			return line, true
		}
	}
	return "", false
}

// withLine returns the text of a users file with a user's line replaced, or appended.
// Further lines of that user are removed.
func withLine(text, name, line string) (with string, replaced bool) {
	var b strings.Builder
	end := "\n"
	for old := range strings.Lines(text) {
		bare := strings.TrimRight(old, "\r\n")
		if strings.HasSuffix(old, "\r\n") {
			end = "\r\n"
		}
		mark := ""
		if rest, ok := strings.CutPrefix(bare, byteOrderMark); ok {
			mark, bare = byteOrderMark, rest
		}
		who, _, _ := strings.Cut(strings.TrimSpace(bare), ":")
		switch {
		case who != name:
			b.WriteString(old)
		case !replaced:
			b.WriteString(mark + line + old[len(mark)+len(bare):])
			replaced = true
		}
	}
	if replaced {
		return b.String(), true
	}
	if with := b.String(); with != "" && !strings.HasSuffix(with, "\n") {
		b.WriteString(end)
	}
	b.WriteString(line + end)
	return b.String(), false
}

// readPassword asks twice at a terminal, and reads one line from any other stdin.
func (p *program) readPassword() (string, error) {
	fd, ok := terminal(p.stdin)
	if !ok {
		return p.passwordLine()
	}
	first, err := p.ask(fd, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := p.ask(fd, "Again: ")
	if err == nil && first != second {
		err = errors.New("the two passwords differ; nothing was changed")
	}
	return first, err
}

// passwordLine reads a line of stdin, which may lack its end.
func (p *program) passwordLine() (string, error) {
	line, err := bufio.NewReader(p.stdin).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("cannot read the password: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

// ask reads a line without echo. It catches interrupts, because they would leave the
// terminal without echo.
func (p *program) ask(fd int, prompt string) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(p.stderr, prompt)
	defer fmt.Fprintln(p.stderr)
	var line []byte
	done := make(chan error, 1)
	interrupts := p.interrupts()
	go func() {
		var err error
		line, err = term.ReadPassword(fd)
		done <- err
	}()
	select {
	case err := <-done:
		return string(line), err
	case <-interrupts:
		return "", errors.Join(errors.New("interrupted"), term.Restore(fd, before))
	}
}
