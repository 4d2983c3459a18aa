package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"wasiftp/host"
)

func (p *program) passwdCommand() *cobra.Command {
	var root, rights, charset string
	cmd := &cobra.Command{
		Use:   "passwd NAME",
		Short: "Print a line for the users file",
		Long: "passwd asks for a password, or reads a line of stdin, and prints a line for the users file:\n\n" +
			"  wasiftpd passwd alice --root /srv/alice --rights rw >> users\n\n" + usersFormat,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{""}
			}
			return p.passwd(args[0], root, rights, charset)
		},
	}
	cmd.Flags().StringVar(&root, "root", "", "the user's folder `DIR`, counted from the current one (default that of wasiftpd --root)")
	cmd.Flags().StringVar(&rights, "rights", "ro", "the user's `RIGHTS`: "+rightsHelp)
	cmd.Flags().StringVar(&charset, "charset", "", "the character set `NAME` of the user's client, for names of files (default that of wasiftpd --charset)")
	return cmd
}

func (p *program) passwd(name, root, rights, charset string) error {
	if err := checkName(name); err != nil {
		return usageError{err}
	}
	if _, err := parseRights(rights); err != nil {
		return usageError{fmt.Errorf("--rights: %w", err)}
	}
	if err := host.CheckCharset(charset); err != nil {
		return usageError{fmt.Errorf("--charset: %w", err)}
	}
	if strings.ContainsFunc(root, unicode.IsControl) {
		return usageError{errors.New("--root: a folder with control characters in its name can't stand in a users file")}
	}
	if root != "" {
		abs, err := filepath.Abs(root)
		if err != nil {
			return err
		}
		root = abs
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
	if charset != "" {
		rights += ":" + charsetSetting + charset
	}
	_, err = fmt.Fprintf(p.stdout, "%s:%s:%s:%s\n", name, hash, root, rights)
	return err
}

// readPassword asks twice at a terminal, and else reads a line.
func (p *program) readPassword() (string, error) {
	fd, ok := terminal(p.stdin)
	if !ok {
		line, err := bufio.NewReader(p.stdin).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("cannot read the password: %w", err)
		}
		return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
	}
	first, err := p.ask(fd, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := p.ask(fd, "Again: ")
	if err == nil && first != second {
		err = errors.New("the two passwords differ; nothing was printed")
	}
	return first, err
}

// ask reads a line without an echo. Interrupts are caught because they would
// leave the terminal without one.
func (p *program) ask(fd int, prompt string) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(p.stderr, prompt)
	defer fmt.Fprintln(p.stderr)
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	interrupts := p.interrupts()
	go func() {
		line, err := term.ReadPassword(fd)
		answers <- answer{line, err}
	}()
	select {
	case a := <-answers:
		return string(a.line), a.err
	case <-interrupts:
		return "", errors.Join(errors.New("interrupted"), term.Restore(fd, before))
	}
}
