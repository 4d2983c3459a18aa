//go:build !papers

// Command wasiftpd serves folders by FTP. The protocol is spoken by a
// WebAssembly module; see package host.
package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

func main() {
	p := program{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		interrupts:    func() <-chan os.Signal { return catch(os.Interrupt, syscall.SIGTERM) },
		hangups:       func() <-chan os.Signal { return catch(syscall.SIGHUP) }, // never comes on Windows
		reopens:       reopens,
		journal:       systemdJournal,
		upgrades:      upgradeSignals,
		launcher:      newLauncher,
		manager:       serviceManager,
		ignoreSIGPIPE: func() { signal.Ignore(syscall.SIGPIPE) },
		enclose:       enclose,
		environment:   os.Environ(),
		root:          os.Geteuid() == 0,
	}
	p.takeInherited(activation.Files(true))
	os.Exit(p.run(os.Args[1:]...))
}
