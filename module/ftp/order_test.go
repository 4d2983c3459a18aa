package ftp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

// ordered puts files into a folder whose names, times and sizes sort differently.
func ordered(w *ftptest.World, folder string) {
	for i, f := range []struct {
		name string
		age  int64
		size int
	}{{"a", 2, 10}, {"b", 1, 30}, {"c", 3, 20}, {"d", 2, 10}} {
		file := w.Put(folder+f.name, strings.Repeat("x", f.size))
		file.ModTime = ftptest.Start - f.age*1e9*60
		if i == 2 {
			file.Type, file.Target = ftp.Link, "zzz"
		}
	}
}

// TestOrder: -t, -S and -r sort as ls does; names decide between equal times or sizes.
func TestOrder(t *testing.T) {
	t.Parallel()
	for _, async := range []uint64{0, 1, 2} {
		w, c := login(t)
		ordered(w, "o/")
		asynchronous(w, async)
		for options, want := range map[string]string{
			"": "abcd", "-t": "badc", "-tr": "cdab", "-rt": "cdab", "-ltr": "cdab", "-S": "bcad", "-Sr": "dacb", "-rS": "dacb",
			"-r": "dcba", "-1t": "badc", "-t -r": "cdab", "-tS": "bcad", "-St": "badc", "-tU": "abcd", "-f": "abcd", "-la": "abcd",
			"-aAlLhngoGCpqcuisk1tFx": "badc", "-Z": "abcd",
		} {
			command := strings.ReplaceAll(" "+options+" o", "  ", " ")
			for _, verb := range []string{"LIST", "NLST", "STAT"} {
				var content, codes string
				if verb == "STAT" {
					content = c.Do(verb + command)
					_, content, _ = strings.Cut(content, "\r\n")
					content, _, _ = strings.Cut(content, "213 ")
				} else {
					content, codes = c.Get(verb + command)
					assert.Equal(t, "150 226", codes)
				}
				got := ""
				for line := range strings.Lines(content) {
					line, _, _ = strings.Cut(strings.TrimSpace(line), " ->")
					got += strings.TrimRight(line[strings.LastIndexAny(line, " /")+1:], "*")
				}
				assert.Equal(t, want, got, "%s%s", verb, command)
			}
		}
	}
}

// TestOrderOfTrees: with -R each folder is sorted, and its subfolders follow in
// that order. All files that match a pattern are sorted together.
func TestOrderOfTrees(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	for i, name := range []string{"p", "q", "r"} {
		w.Mkfolder("t/" + name).ModTime = ftptest.Start + int64(i)*1e9
		ordered(w, "t/"+name+"/")
	}
	w.Mkfolder("t")
	content, _ := c.Get("LIST -tR t")
	assert.Equal(t, "r q p ./r: b a d c_->_zzz ./q: b a d c_->_zzz ./p: b a d c_->_zzz", names(content, "LIST"))
	content, _ = c.Get("LIST -rR t")
	assert.Equal(t, "r q p ./r: d c_->_zzz b a ./q: d c_->_zzz b a ./p: d c_->_zzz b a", names(content, "LIST"))
	content, _ = c.Get("NLST -t t/*/[bc]")
	assert.Equal(t, "t/p/b t/q/b t/r/b t/p/c t/q/c t/r/c", names(content, "NLST"))
	content, _ = c.Get("LIST -S t/?/[ab]")
	assert.Equal(t, "p/b q/b r/b p/a q/a r/a", names(content, "LIST"))
}

// TestOrderOfLargeFolder: a folder too large to be sorted is listed whole, in
// bounded memory.
func TestOrderOfLargeFolder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		files, length int
		sorted        bool
	}{{4000, 20, true}, {900, 200, true}, {5000, 8, false}, {3000, 250, false}} {
		f, client := plant(t, func(string) []ftp.Entry {
			list := subfolders(c.files, c.length)
			for i := range list {
				list[i].FileInfo = ftp.FileInfo{ModTime: int64(i)}
			}
			return list
		})
		content, codes := client.Get("NLST -t")
		assert.Equal(t, "150 226", codes)
		assert.Equal(t, c.files, strings.Count(content, "\n"))
		first := fmt.Sprintf("%06d", c.files-1)
		assert.Equal(t, c.sorted, strings.HasPrefix(content, first))
		for i := range c.files {
			assert.Contains(t, content, fmt.Sprintf("%06d", i))
		}
		assert.Less(t, f.size, 1<<20)
	}
}
