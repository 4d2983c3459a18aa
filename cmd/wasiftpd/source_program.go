package main

import (
	"context"
	"fmt"

	"wasiftp/host"
)

// programSource asks a program, which runs once for each login.
type programSource struct {
	turns *checks
	child
}

// programsAtATime is how many programs of a source run at a time.
const programsAtATime = 8

func (s *sourceOptions) addProgram(path string) error {
	s.given = append(s.given, sourceOption{program: path})
	return nil
}

// newProgramSource makes a source of a program, which must be there.
func newProgramSource(path string, o *options) (*programSource, error) {
	if err := runnable(path); err != nil {
		return nil, blame("auth-program", path, fmt.Errorf("cannot run %s: %w; give another program with --auth-program", path, err))
	}
	return &programSource{turns: newTurns(programsAtATime),
		child: child{argv: []string{path}, timeout: o.sources.timeout}}, nil
}

func (p *programSource) label() string { return p.argv[0] }

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
	said, err := p.run(ctx, append(asked, '\n'), nil)
	if err != nil {
		return a, err
	}
	return readVerdict(said, login.User)
}
