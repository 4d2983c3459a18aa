package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"wasiftp/host"
)

func (p *program) moduleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "module [FILE]",
		Short: "Write the built-in WebAssembly module to FILE or stdout",
		Args:  atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				if err := os.WriteFile(args[0], host.Module(), 0o644); err != nil {
					return fmt.Errorf("cannot write the module: %w", err)
				}
				return nil
			}
			if _, ok := terminal(p.stdout); ok {
				return usageError{errors.New("the module is binary and stdout a terminal; give a file: wasiftpd " +
					"module wasiftp.wasm")}
			}
			_, err := p.stdout.Write(host.Module())
			return err
		},
	}
}
