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
	// A last name that costs nothing does not hide that others were not matched.
	w.Put("z", "")
	w.Page = 5000
	_, codes = c.Get("NLST *" + strings.Repeat("a", 125) + "b")
	assert.Equal(t, "150 451", codes)
	content, codes := c.Get("NLST *a9?9")
	assert.Equal(t, "150 226", codes)
	assert.Equal(t, 10, strings.Count(content, "\n"))
	// ".." does not make the listing go into the same folders again and again.
	for _, pattern := range []string{
		"*/../*/../*/../*", strings.Repeat("*/../", 500) + "*/../*9", strings.Repeat("*/", 1500) + "*",
	} {
		_, codes = c.Get("NLST " + pattern)
		assert.Equal(t, "150 226", codes, pattern)
	}
}

// TestPatternTrees: each element of a pathname can be a pattern. LIST shows pathnames
// from the first pattern on, and NLST the whole ones, for RETR.
func TestPatternTrees(t *testing.T) {
	t.Parallel()
	for _, async := range []uint64{0, 1, 2} {
		w, c := login(t)
		asynchronous(w, async)
		for _, name := range []string{
			"a1/b3/x.csv", "a1/b3/y.txt", "a1/bx/x.csv", "a1/f.txt", "a2/b4/z.csv", "a2/.h/q.csv", "a2/.dot", "c/data/2024/d.csv",
			"e/data/2024/d.csv", "e/data/none", "[x]/k*/lit", "[x]/k1/two", "x/k1/three",
		} {
			w.Put(name, "")
		}
		w.Put("file", "")
		w.Mkfolder("e/2024")
		for _, l := range []struct{ command, want string }{
			{"NLST */*.txt", "a1/f.txt sub/in.txt"},
			{"NLST a*/*", "a1/b3 a1/bx a1/f.txt a2/b4"},
			{"NLST -a a*/*", "a1/b3 a1/bx a1/f.txt a2/.dot a2/.h a2/b4"},
			{"NLST a*/.*", "a2/.dot a2/.h"},
			{"NLST */b[0-9]/*.csv", "a1/b3/x.csv a2/b4/z.csv"},
			{"NLST a?/b?/x.csv", "a1/b3/x.csv a1/bx/x.csv"},
			{"NLST a2/.*/*", "a2/.h/q.csv"},
			{"NLST a2/*/*", "a2/b4/z.csv"},
			{"NLST */data/2024/*", "c/data/2024/d.csv e/data/2024/d.csv"},
			{"NLST ?/data/*/d.csv", "c/data/2024/d.csv e/data/2024/d.csv"},
			{"NLST */2024", "e/2024"},
			{"NLST /a*/f.txt", "/a1/f.txt"},
			{"NLST ./a*/f.txt", "./a1/f.txt"},
			{"NLST ~/a*/f.txt", "~/a1/f.txt"},
			{"NLST a1//b*//x.csv", "a1//b3/x.csv a1//bx/x.csv"},
			{"NLST a*/./b3/././x.*", "a1/b3/x.csv"},
			{"NLST a*/", "a1/ a2/"},
			{"NLST */b*/", "a1/b3/ a1/bx/ a2/b4/"},
			{"NLST a*/f.txt/", ""},
			{"NLST a*/b3/", "a1/b3/"},
			{"NLST a*/b3/.", "a1/b3/"},
			{"NLST */../a1/f*", "*/../a1/f.txt"},
			{"NLST */../a1/*/x.csv", "/a1/b3/x.csv /a1/bx/x.csv"},
			{"NLST [x]/*/*", "[x]/k*/lit [x]/k1/two x/k1/three"},
			{"NLST [x]/k*", "[x]/k*/lit"},
			{"NLST [x]/k*/*", "[x]/k*/lit"},
			{"NLST a\\1/*.txt", "a1/f.txt"},
			{"NLST file/*", "550"}, {"NLST none/*/x", "550"},
			{"NLST f*/x", ""}, {"NLST */*/*/*/*/*/*", ""}, {"NLST no*/x", ""}, {"NLST */*/../none", ""},
			{"NLST -d a*", "a1 a2"}, {"LIST -d a*/b*", "a1/b3 a1/bx a2/b4"}, {"LIST -d none", "550"},
			{"LIST a*/b*", "a1/b3 a1/bx a2/b4"}, {"LIST -R a*/b*", "a1/b3 a1/bx a2/b4"},
			{"LIST /?2/b4/*", "a2/b4/z.csv"}, {"LIST a1/b*", "b3 bx"},
			{"MLSD a*/b*", "550"}, {"MLSD */", "550"},
		} {
			content, codes := c.Get(l.command)
			if l.want == "550" {
				assert.Equal(t, l.want, codes, l.command)
				continue
			}
			assert.Equal(t, "150 226", codes, l.command)
			assert.Equal(t, l.want, names(content, l.command[:4]), l.command)
		}
		assert.Equal(t, "550", c.Code("MLST a*/b3"))
		status := c.Do("STAT */b[0-9]/*.csv")
		assert.Regexp(t, "(?s)^213-.* a1/b3/x.csv\r\n.* a2/b4/z.csv\r\n213 End", status)
		assert.Equal(t, 3, strings.Count(status, "\n"))
		assert.Equal(t, 1, w.Held()-1, "the control connection and an unused port")
	}
}

// TestPatternTreesAreWhole: a pattern is matched in all folders, however many, with one
// open handle and in bounded memory; a costly one is given up.
func TestPatternTreesAreWhole(t *testing.T) {
	t.Parallel()
	f, client := plant(t, func(name string) []ftp.Entry {
		switch {
		case strings.Contains(name, "*"):
			return nil
		case strings.Contains(name, "/"):
			return []ftp.Entry{{Name: []byte("x.csv")}, {Name: []byte("y.csv")}}
		}
		return subfolders(150, 250)
	})
	content, codes := client.Get("NLST */*[05]n*/x*")
	assert.Equal(t, "150 226", codes)
	assert.Equal(t, 150*30, strings.Count(content, "/x.csv\r\n"))
	assert.Equal(t, 1, f.most)
	assert.Less(t, f.size, 1<<20)
	_, codes = client.Get("NLST */*" + strings.Repeat("n", 125) + "b*/x")
	assert.Equal(t, "150 451", codes)
	assert.Empty(t, f.open)
}
