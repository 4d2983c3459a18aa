package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

// pairs are what a pattern with two groups finds in a file.
func pairs(t *testing.T, path, pattern string) map[string]string {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1) {
		found[m[1]] = m[2]
	}
	if len(found) == 0 {
		t.Fatalf("%s has no %s", path, pattern)
	}
	return found
}

func errnoNamed(name string) wasi.Errno {
	for n := range 1 << 8 {
		if wasi.Errno(n).Error() == name {
			return wasi.Errno(n)
		}
	}
	return 0
}

// TestSystemErrnosAgree: an errno of the system crosses the boundary as the same on
// every host, and is the same fault without a boundary.
func TestSystemErrnosAgree(t *testing.T) {
	t.Parallel()
	const examples = "../../host/examples/"
	want := pairs(t, "../../host/errno.go", `\{syscall\.(E\w+), +wasi\.(E\w+)\}`)
	c := pairs(t, examples+"c/main.c", `\{(E\w+), E_(\w+)\}`)
	python := pairs(t, examples+"python/abi.py", `\b(E[A-Z0-9]+)="(E[A-Z]+)"`)
	js := pairs(t, examples+"js/abi.js", `\b(E[A-Z0-9]+): '(E[A-Z]+)'`)
	standalone := pairs(t, "../standalone/fault.go", `\{syscall\.(E\w+), +ftp\.(Err\w+)\}`)
	faultNames := map[string]ftp.Error{
		"ErrPermission": ftp.ErrPermission, "ErrNotExist": ftp.ErrNotExist, "ErrNotDir": ftp.ErrNotDir, "ErrIsDir": ftp.ErrIsDir,
		"ErrNotEmpty": ftp.ErrNotEmpty, "ErrName": ftp.ErrName, "ErrBusy": ftp.ErrBusy, "ErrNoSpace": ftp.ErrNoSpace,
		"ErrQuota":   ftp.ErrQuota,
		"ErrTooMany": ftp.ErrTooMany, "ErrUnsupported": ftp.ErrUnsupported, "ErrOtherDisk": ftp.ErrOtherDisk,
	}
	for system, errno := range want {
		if system != "EAGAIN" { // these have it of sockets as well, and look after files by themselves
			if got := "E" + c[system]; got != errno {
				t.Errorf("the host in C: %s is %s, not %s", system, got, errno)
			}
			for name, aliases := range map[string]map[string]string{"Python": python, "JavaScript": js} {
				if got, aliased := aliases[system]; got != errno && (aliased || system != errno) {
					t.Errorf("the host in %s: %s is %q, not %s", name, system, got, errno)
				}
			}
		}
		if name, ok := standalone[system]; ok && faultNames[name] != faults(errnoNamed(errno)) {
			t.Errorf("without a host: %s is %s, not %v", system, name, faults(errnoNamed(errno)))
		} else if !ok && !ofSockets(system) {
			t.Errorf("without a host: %s is told as a fault of the storage", system)
		}
	}
}

// ofSockets says whether files do not come to an errno.
func ofSockets(system string) bool {
	return strings.HasPrefix(system, "ECONN") || strings.HasPrefix(system, "ENET") || strings.HasPrefix(system, "EADDR") ||
		system == "EHOSTUNREACH" || system == "EPIPE" || system == "ETIMEDOUT"
}
