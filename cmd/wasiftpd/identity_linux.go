package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// allThreads says why a call can't be made by every thread of this process. The libraries
// that make such calls find the threads in /proc.
func allThreads() error {
	_, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("the threads of this process can't be found: %w; mount /proc", err)
	}
	return nil
}

// dropBounds empties the bounding set of capabilities. That takes a capability which
// [identity.become] drops later.
func dropBounds() error {
	if err := allThreads(); err != nil {
		return err
	}
	var all []cap.Value
	for value := range cap.MaxBits() {
		if held, err := cap.GetBound(value); err == nil && held {
			all = append(all, value)
		}
	}
	return cap.DropBound(all...)
}

// dropPrivileges drops the capabilities, which a change of the user leaves under some
// securebits. A program that this process runs gains none again. Other processes of the
// user may not look into this one, which has keys and the sessions of others.
func dropPrivileges() error {
	if err := allThreads(); err != nil {
		return err
	}
	if err := cap.NewSet().SetProc(); err != nil { // the ambient set goes with the permitted one
		return err
	}
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // one flag for all threads
}
