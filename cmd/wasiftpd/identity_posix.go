//go:build unix && !linux

package main

func dropBounds() error     { return nil } // there are no capabilities
func dropPrivileges() error { return nil }
