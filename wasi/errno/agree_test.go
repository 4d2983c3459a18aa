package errno

import (
	"os"
	"regexp"
	"testing"
)

// pairs maps the first group of a pattern to its second, for each match in a file.
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

// TestSystemErrnosAgree: every host maps an errno of the system to the same errno of the
// boundary.
func TestSystemErrnosAgree(t *testing.T) {
	t.Parallel()
	const examples = "../../host/examples/"
	c := pairs(t, examples+"c/main.c", `\{(E\w+), E_(\w+)\}`)
	python := pairs(t, examples+"python/abi.py", `\b(E[A-Z0-9]+)="(E[A-Z]+)"`)
	js := pairs(t, examples+"js/abi.js", `\b(E[A-Z0-9]+): '(E[A-Z]+)'`)
	for system, errno := range pairs(t, "errno.go", `\{syscall\.(E\w+), +wasi\.(E\w+)\}`) {
		if system == "EAGAIN" { // these hosts get it from sockets too, and treat that of files elsewhere
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
