package ftp_test

import (
	"math/rand/v2"

	"wasiftp/module/ftp/ftptest"
)

// asynchronous makes the engine wait for the world's answers, unless the seed is 0.
func asynchronous(w *ftptest.World, seed uint64) {
	if seed != 0 {
		w.Async = rand.New(rand.NewPCG(seed, seed))
	}
}
