package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"wasiftp/host"
)

// programSource asks a program, which runs once for each login.
type programSource struct {
	path    string
	timeout time.Duration
	turns   *checks
	env     []string
}

// programsAtATime is how many programs of a source run at a time.
const programsAtATime = 8

// dyingTime is how long a program that was killed may keep its pipes open, by children.
const dyingTime = time.Second

func (s *sourceOptions) addProgram(path string) error {
	s.given = append(s.given, sourceOption{program: path})
	return nil
}

// newProgramSource makes a source of a program, which must be there.
func newProgramSource(path string, o *options) (*programSource, error) {
	if _, err := exec.LookPath(path); err != nil {
		if fault := (*exec.Error)(nil); errors.As(err, &fault) {
			err = fault.Err
		}
		return nil, blame("auth-program", path, fmt.Errorf("cannot run %s: %w; give another program with --auth-program", path, err))
	}
	p := &programSource{path: path, timeout: o.sources.timeout, turns: newTurns(programsAtATime)}
	// Our own variables may hold passwords.
	for _, name := range []string{"PATH", "LANG", "LC_ALL", "TZ", "HOME", "SYSTEMROOT"} {
		if value, ok := os.LookupEnv(name); ok {
			p.env = append(p.env, name+"="+value)
		}
	}
	return p, nil
}

func (p *programSource) label() string { return p.path }

func (p *programSource) verify(ctx context.Context, login host.Login) (a answer, err error) {
	asked, err := questionOf(login)
	if err != nil {
		return a, err
	}
	from := network(login.Client.Addr())
	if err := p.turns.Enter(ctx, from); err != nil {
		return a, err
	}
	defer p.turns.Leave(from)
	said, err := p.run(ctx, append(asked, '\n'))
	if err != nil {
		return a, err
	}
	return readVerdict(said, login.User)
}

// run runs the program, and returns what it has written to stdout.
func (p *programSource) run(ctx context.Context, stdin []byte) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	cmd := exec.CommandContext(limited, p.path)
	cmd.Dir, cmd.Env, cmd.WaitDelay = filepath.Dir(p.path), p.env, dyingTime
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr firstWords
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, fmt.Errorf("no answer within %v; it was ended", p.timeout)
	case err != nil:
		if said := strings.TrimSpace(string(stderr)); said != "" {
			err = fmt.Errorf("%w: %.200q", err, said)
		}
		return nil, err
	}
	return stdout, nil
}

// firstWords keeps the first maxVerdict bytes of what is written.
type firstWords []byte

// Write implements [io.Writer].
func (s *firstWords) Write(p []byte) (int, error) {
	*s = append(*s, p[:min(len(p), maxVerdict-len(*s))]...)
	return len(p), nil
}
