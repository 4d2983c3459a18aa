package main

import (
	"os"
	"os/signal"
)

func catch(signals ...os.Signal) <-chan os.Signal {
	c := make(chan os.Signal, 2) // two, so that a quick second one is not lost
	signal.Notify(c, signals...)
	return c
}
