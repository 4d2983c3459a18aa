//go:build !windows

package main

import "github.com/spf13/cobra"

// Elsewhere a service manager has a file that names the program, and starts it as anybody does.

func (p *program) serviceCommands() []*cobra.Command { return nil }
