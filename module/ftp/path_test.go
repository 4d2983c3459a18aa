package ftp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ dir, pathname, name string }{
		{"", "a", "a"},
		{"d", "a", "d/a"},
		{"d/e", "../a", "d/a"},
		{"d", "/a", "a"},
		{"d", "", "d"},
		{"d", ".", "d"},
		{"d", "..", ""},
		{"", "..", ""},
		{"d", "../../../x", "x"},
		{"d", "//x//y/", "x/y"},
		{"d", "/./x/./y/.", "x/y"},
		{"d", "~", ""},
		{"d", "~/x", "x"},
		{"d", "~x", "d/~x"},
		{"d", " a ", "d/ a "},
		{"d", "...", "d/..."},
		{"d", "....//x", "d/..../x"},
		{"d", `..\x`, `d/..\x`},
		{"d", "%2e%2e/x", "d/%2e%2e/x"},
		{"d", "\xff/\xc0\xae", "d/\xff/\xc0\xae"},
		{"a/b/c", "x/../../../../../y", "y"},
	} {
		name, ok := ftp.AppendResolved(nil, []byte(c.dir), []byte(c.pathname))
		assert.True(t, ok, c.pathname)
		assert.Equal(t, c.name, string(name), "%q in %q", c.pathname, c.dir)
	}
	_, ok := ftp.AppendResolved(nil, nil, []byte(strings.Repeat("x/", 5000)))
	assert.False(t, ok)
}

// TestThreat09Traversal: every verb that takes a pathname hands the world names
// below the root only; newWorld checks what the world is handed.
func TestThreat09Traversal(t *testing.T) {
	t.Parallel()
	_, c := login(t)
	for _, pathname := range seeds(t, "path") {
		for _, verb := range ftp.Verbs() {
			if verb.Argument != ftp.RequiredPathname && verb.Argument != ftp.OptionalPathname {
				continue
			}
			assert.NotEmpty(t, c.Do(verb.Name+" "+pathname), verb.Name)
			c.Codes()
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, seed := range seeds(f, "path") {
		f.Add("", seed)
		f.Add("some/dir", seed)
	}
	f.Fuzz(func(t *testing.T, dir, pathname string) {
		start, ok := ftp.AppendResolved(nil, nil, []byte(dir))
		if !ok {
			return
		}
		name, ok := ftp.AppendResolved(nil, start, []byte(pathname))
		if !ok || len(name) == 0 {
			return
		}
		for element := range strings.SplitSeq(string(name), "/") {
			assert.NotContains(t, []string{"", ".", ".."}, element)
		}
		again, _ := ftp.AppendResolved(nil, nil, append([]byte("/"), name...))
		assert.Equal(t, string(name), string(again))
	})
}
