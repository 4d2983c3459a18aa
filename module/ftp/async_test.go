package ftp_test

import "math/rand/v2"

import "wasiftp/module/ftp/ftptest"

// asynchronous has a world let every call wait, unless the seed is 0.
func asynchronous(w *ftptest.World, seed uint64) {
	if seed != 0 {
		w.Async = rand.New(rand.NewPCG(seed, seed))
	}
}
