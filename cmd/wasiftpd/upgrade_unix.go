//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// upgradeSignals starts to catch the signal to start a new process that takes over.
func upgradeSignals() <-chan os.Signal { return catch(syscall.SIGUSR2) }

// launcherScript is the launcher: $0 and its arguments are what it starts, on each line of
// descriptor 4, and nothing else. What it starts has these descriptors: 3 is a pipe, whose
// end tells that it says no more, 4 the commands, and from 5 on the sockets. It is no child
// of the launcher, which passes on what it reports. Descriptor 3 of the launcher is stdout.
const launcherScript = `trap '' HUP USR1 USR2
while read -r command <&4; do
	(/bin/sh -c 'LISTEN_PID=$$ exec "$0" "$@"' "$0" "$@" 0>&3 3>&1 1>&0 0</dev/null &) |
		while read -r report; do printf '%s\n' "$report"; done
	echo ` + endReport + `
done`

// newLauncher starts the launcher. A shell does: it takes 0.3 MiB, and this program 14.
func newLauncher(environment []string, listeners []listener) *launcher {
	l, err := startLauncher(environment, listeners)
	if err != nil {
		return &launcher{fault: fmt.Errorf("no process can be started that takes over: %w; restart the server", err)}
	}
	return l
}

func startLauncher(environment []string, listeners []listener) (*launcher, error) {
	if os.Getpid() == 1 {
		return nil, errors.New("a container ends with its first process, which this one is")
	}
	program, err := exec.LookPath(os.Args[0]) // its link may lead to another program by then
	if err == nil {
		program, err = filepath.Abs(program)
	}
	if err != nil {
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	commands, command, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer commands.Close()
	reports, report, err := os.Pipe()
	if err != nil {
		command.Close()
		return nil, err
	}
	defer report.Close()
	names := []string{reportsName, commandsName}
	// Fd of a File would have the socket's calls wait, here too.
	files := []uintptr{null.Fd(), report.Fd(), 2, 1, commands.Fd()}
	for _, l := range listeners {
		fd, err := duplicate(l.Listener)
		if err != nil {
			return nil, errors.Join(err, command.Close(), reports.Close())
		}
		defer unix.Close(fd)
		names, files = append(names, l.name), append(files, uintptr(fd))
	}
	pid, err := syscall.ForkExec("/bin/sh", append([]string{"sh", "-c", launcherScript, program}, os.Args[1:]...), &syscall.ProcAttr{
		Env:   launchEnvironment(environment, names),
		Files: files,
		Sys:   &syscall.SysProcAttr{Setpgid: true}, // a Ctrl-C is not for it
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("/bin/sh: %w", err), command.Close(), reports.Close())
	}
	process, err := os.FindProcess(pid)
	return &launcher{process: process, commands: command, reports: bufio.NewScanner(reports)}, err
}

// launchEnvironment is the environment of the processes that the launcher starts: this one's,
// but for what a service manager has told this process alone. The shell sets LISTEN_PID.
func launchEnvironment(own, names []string) []string {
	environment := slices.DeleteFunc(slices.Clone(own), func(pair string) bool {
		return strings.HasPrefix(pair, "LISTEN_") || strings.HasPrefix(pair, "WATCHDOG_PID=")
	})
	return append(environment, fmt.Sprint("LISTEN_FDS=", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
}

// duplicate is a descriptor of a listener's socket.
func duplicate(l net.Listener) (fd int, err error) {
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	failed := raw.Control(func(socket uintptr) { fd, err = unix.FcntlInt(socket, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(failed, err)
}
