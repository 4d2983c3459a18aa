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
		interrupts: func() <-chan os.Signal {
			c := make(chan os.Signal, 2) // two, so that a quick second one is not lost
			signal.Notify(c, os.Interrupt, syscall.SIGTERM)
			return c
		},
	}
	os.Exit(p.run(os.Args[1:]...))
}
