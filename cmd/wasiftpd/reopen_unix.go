//go:build unix

package main

import (
	"os"
	"syscall"
)

// reopens starts to catch the signal to open the files of logs anew.
func reopens() <-chan os.Signal { return catch(syscall.SIGUSR1) }
