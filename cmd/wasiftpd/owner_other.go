//go:build !unix

package main

import "io/fs"

// owners are the user and the group that own a file, which are not known here.
func owners(fs.FileInfo) (uid, gid int, known bool) { return 0, 0, false }
