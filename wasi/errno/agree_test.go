package errno

import (
	"os"
	"regexp"
	"testing"
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

// TestSystemErrnosAgree: an errno of the system crosses the boundary as the same on
// every host.
func TestSystemErrnosAgree(t *testing.T) {
	t.Parallel()
	const examples = "../../host/examples/"
	c := pairs(t, examples+"c/main.c", `\{(E\w+), E_(\w+)\}`)
	python := pairs(t, examples+"python/abi.py", `\b(E[A-Z0-9]+)="(E[A-Z]+)"`)
	js := pairs(t, examples+"js/abi.js", `\b(E[A-Z0-9]+): '(E[A-Z]+)'`)
	for system, errno := range pairs(t, "errno.go", `\{syscall\.(E\w+), +wasi\.(E\w+)\}`) {
		if system == "EAGAIN" { // these have it of sockets as well, and look after files by themselves
			continue
		}
		if got := "E" + c[system]; got != errno {
			t.Errorf("the host in C: %s is %s, not %s", system, got, errno)
		}
		for name, aliases := range map[string]map[string]string{"Python": python, "JavaScript": js} {
			if got, aliased := aliases[system]; got != errno && (aliased || system != errno) {
				t.Errorf("the host in %s: %s is %q, not %s", name, system, got, errno)
			}
		}
	}
}
