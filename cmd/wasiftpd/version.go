package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"wasiftp/host"
	"wasiftp/module"
)

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the ABI version and SHA-256 of the built-in module, and those of the modules for other hosts",
		Args:  atMost(0),
		RunE:  func(*cobra.Command, []string) error { return p.printVersion() },
	}
}

func (p *program) printVersion() error {
	builtIn, err := host.Inspect(host.Module())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "wasiftpd %s (%s %s/%s)\nABI %d\nmodule SHA-256 %s\n\n%s",
		host.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, builtIn.ABIVersion, builtIn.SHA256, module.Artefacts)
	return err
}
