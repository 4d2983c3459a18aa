//go:build !wasip1

package fsbridge

import "io/fs"

// An open with openFlags waits for nobody.
const statFirst = false

const unicodeOnly = false

func typed(info fs.FileInfo) fs.FileInfo { return info }
