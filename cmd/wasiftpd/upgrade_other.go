//go:build !unix

package main

import "os"

// upgradeSignals is for systems with SIGUSR2.
func upgradeSignals() <-chan os.Signal { return nil }

func newLauncher([]string, []listener) *launcher { return nil }
