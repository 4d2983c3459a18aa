//go:build !unix

package main

import (
	"errors"
	"log/slog"
)

func (id *identity) become(*slog.Logger) error {
	return errors.New("--run-as is for Unix; run it as a service of another account")
}

func (id *identity) entrust(string, bool, *slog.Logger) error { return nil }
