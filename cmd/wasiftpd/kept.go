package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/pflag"

	"wasiftp/cmd/wasiftpd/admin"
)

// kept says where a command finds what a server keeps: the server itself, or its state folder.
type kept struct {
	*reach
	state string // the folder, "" if none is given
}

const keptHelp = "With --state-dir it reads and writes that folder, and a server that runs takes changes within a second.\n" +
	"Else it speaks to the server that answers on its admin socket. If none does, it takes the state folder of --config,\n" +
	"or the usual one."

func (k *kept) addTo(f *pflag.FlagSet) {
	f.StringVar(&k.state, "state-dir", "", "do not speak to a server; take the folder `DIR` of serve --state-dir")
	k.reach.addTo(f)
}

// keptBy asks the server, or reads the folder: dir is "" for the usual one.
func keptBy[T any](p *program, k *kept, ask func(*admin.Client, context.Context) (T, error),
	read func(dir string) (T, error)) (none T, err error) {
	if k.state != "" {
		if k.given() {
			return none, usageError{errors.New("--state-dir is a folder, and no server is asked; leave it or the other flag away")}
		}
		return read(k.state)
	}
	c, err := p.dial(k.reach)
	if errors.As(err, new(noServer)) && !k.given() && !errors.Is(err, fs.ErrPermission) {
		return read(k.own.options.stateDir)
	}
	if err != nil {
		return none, err
	}
	return answered(context.Background(), k.reach, func(ctx context.Context) (T, error) { return ask(c, ctx) })
}
