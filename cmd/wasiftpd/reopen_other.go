//go:build !unix

package main

import "os"

// reopens is for systems with SIGUSR1.
func reopens() <-chan os.Signal { return nil }
