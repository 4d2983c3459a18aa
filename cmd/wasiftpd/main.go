// Command wasiftpd serves folders by FTP. The protocol is spoken by a
// WebAssembly module; see package host.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	p := program{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		interrupts:    func() <-chan os.Signal { return catch(os.Interrupt, syscall.SIGTERM) },
		hangups:       func() <-chan os.Signal { return catch(syscall.SIGHUP) }, // never comes on Windows
		reopens:       reopens,
		inJournal:     inJournal,
		ignoreSIGPIPE: func() { signal.Ignore(syscall.SIGPIPE) },
		enclose:       enclose,
		environment:   os.Environ(),
		root:          os.Geteuid() == 0,
	}
	os.Exit(p.run(os.Args[1:]...))
}

func catch(signals ...os.Signal) <-chan os.Signal {
	c := make(chan os.Signal, 2) // two, so that a quick second one is not lost
	signal.Notify(c, signals...)
	return c
}
