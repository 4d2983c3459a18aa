//go:build !unix

package main

import "io/fs"

// owners are the user and the group whose file it is, where files have such.
func owners(fs.FileInfo) (uid, gid int, known bool) { return 0, 0, false }
