//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// killGroup has a program begin a process group, which is killed as a whole.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
