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
)

// child is a program that runs once for each question, without a shell.
type child struct {
	argv    []string // the path of the program and its arguments
	timeout time.Duration
}

// runnable says why a program can't be run.
func runnable(path string) error {
	_, err := exec.LookPath(path)
	if fault := (*exec.Error)(nil); errors.As(err, &fault) {
		return fault.Err
	}
	return err
}

// dyingTime is how long a program that was killed may keep its pipes open, by children.
const dyingTime = time.Second

// childVariables are those that a program gets of ours, which may hold passwords.
var childVariables = []string{"PATH", "LANG", "LC_ALL", "TZ", "HOME", "SYSTEMROOT"}

// run runs the program, and returns what it has written to stdout, also after an error. The
// program gets content as descriptor 3, unless that is nil. After the time-out it is killed,
// with all programs that it has begun.
func (c *child) run(ctx context.Context, stdin []byte, content *os.File) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	cmd := exec.CommandContext(limited, c.argv[0], c.argv[1:]...)
	killGroup(cmd)
	cmd.Dir, cmd.Env, cmd.WaitDelay = filepath.Dir(c.argv[0]), []string{}, dyingTime
	for _, name := range childVariables {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	if content != nil {
		cmd.ExtraFiles = []*os.File{content}
	}
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr firstWords
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return stdout, ctx.Err()
	case limited.Err() != nil:
		return stdout, fmt.Errorf("no answer within %v; it was ended", c.timeout)
	case err != nil:
		if said := strings.TrimSpace(string(stderr)); said != "" {
			err = fmt.Errorf("%w: %.200q", err, said)
		}
	}
	return stdout, err
}

// firstWords keeps the first maxVerdict bytes of what is written.
type firstWords []byte

// Write implements [io.Writer].
func (s *firstWords) Write(p []byte) (int, error) {
	*s = append(*s, p[:min(len(p), maxVerdict-len(*s))]...)
	return len(p), nil
}
