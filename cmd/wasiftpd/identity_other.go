//go:build !unix

package main

import "log/slog"

// Without Unix there is no root who could become another user.

func (id *identity) become(*slog.Logger) error                { return nil }
func (id *identity) entrust(string, bool, *slog.Logger) error { return nil }
