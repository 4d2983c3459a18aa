//go:build !linux

package fsbridge

import "os"

// accelerated is os.Root's way: there is no faster one.
func accelerated(root *os.Root) way { return walk{root} }

// unread is the way in a root that may not be read: there is none.
func unread(string) way { return nil }
