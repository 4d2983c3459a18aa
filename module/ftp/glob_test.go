package ftp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"*", "abc", true}, {"", "", true}, {"", "a", false},
		{"a*", "abc", true}, {"*c", "abc", true}, {"*b*", "abc", true}, {"*d*", "abc", false},
		{"a?c", "abc", true}, {"a?c", "ac", false}, {"???", "abc", true}, {"??", "abc", false},
		{"*.txt", "a.txt", true}, {"*.txt", "a.txt.gz", false}, {"**", "x", true}, {"*a*b*c", "xxaxbxxc", true},
		{"[a-c]x", "bx", true}, {"[a-c]x", "dx", false}, {"[!a-c]x", "dx", true}, {"[^a-c]x", "ax", false},
		{"[]]", "]", true}, {"[!]]", "x", true}, {"[a-]", "-", true}, {"[", "[", true}, {"[a", "[a", true},
		{"[z-a]", "b", false}, {`\*`, "*", true}, {`\*`, "a", false}, {`a\`, `a\`, true}, {"\xff*", "\xffx", true},
		{"*aab", "aaaab", true}, {"a*[0-9]?", "abc123", true},
	} {
		steps := 1000
		assert.Equal(t, c.want, ftp.Match([]byte(c.pattern), []byte(c.name), &steps), "%q %q", c.pattern, c.name)
	}
}

// TestThreat19GlobBomb: the matcher's cost is bounded by the product of the
// lengths, a listing's by a budget (CVE-2011-0418).
func TestThreat19GlobBomb(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("a", 255)
	for _, pattern := range []string{
		strings.Repeat("a*", 120) + "b", strings.Repeat("*", 250) + "b", "*" + strings.Repeat("a", 254) + "b",
		"*" + strings.Repeat("?", 200) + "b", strings.Repeat("[", 250), strings.Repeat("*[a-z", 60), strings.Repeat("*[a-z]", 40) + "b",
	} {
		steps := 1 << 20
		assert.False(t, ftp.Match([]byte(pattern), []byte(name), &steps), pattern)
		assert.Positive(t, steps, pattern)
	}
	w, c := login(t)
	for i := range 1000 {
		w.Put(fmt.Sprintf("%s%03d", name[:250], i), "")
	}
	_, codes := c.Get("NLST *" + strings.Repeat("a", 125) + "b")
	assert.Equal(t, "150 451", codes)
	content, codes := c.Get("NLST *a9?9")
	assert.Equal(t, "150 226", codes)
	assert.Equal(t, 10, strings.Count(content, "\n"))
	// Only the last element is a pattern: no tree is ever walked.
	_, codes = c.Get("NLST */../*/../*/../*")
	assert.Equal(t, "150 226", codes)
	_, codes = c.Get("NLST */in.txt")
	assert.Equal(t, "550", codes)
}
