package ftp_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

// forest is a world whose folders are made when they are opened. It counts what a listing
// takes.
type forest struct {
	*ftptest.World
	folder func(name string) []ftp.Entry // a nil result: there is no such folder
	client *ftptest.Client
	open   map[ftp.Handle][]ftp.Entry
	last   ftp.Handle

	most  int // handles open at once
	size  int // most bytes that the listing took
	opens int
}

// plant is a forest and a client in it.
func plant(t *testing.T, folder func(name string) []ftp.Entry) (*forest, *ftptest.Client) {
	w, _ := login(t)
	f := &forest{World: w, folder: folder, open: map[ftp.Handle][]ftp.Entry{}, last: 1 << 20}
	w.Engine = ftp.New(f, ftp.Config{})
	f.client = w.LoginAs("u", "p")
	return f, f.client
}

func (f *forest) List(_ ftp.Handle, name []byte, _ bool) (ftp.Handle, error) {
	if f.Fault != nil {
		if err := f.Fault("List", string(name)); err != nil {
			return 0, err
		}
	}
	entries := f.folder(string(name))
	if entries == nil {
		return 0, ftp.ErrNotExist
	}
	f.last++
	f.opens++
	f.open[f.last] = entries
	f.most = max(f.most, len(f.open))
	return f.last, nil
}

func (f *forest) ListNext(dir ftp.Handle, yield func(*ftp.Entry)) (bool, error) {
	entries := f.open[dir]
	n := min(len(entries), 200)
	for i := range n {
		yield(&entries[i])
	}
	f.open[dir] = entries[n:]
	f.size = max(f.size, ftp.ListingSize(f.Engine, f.client.Handle))
	return n > 0, nil
}

func (f *forest) Close(h ftp.Handle) {
	if h < 1<<20 {
		f.World.Close(h)
	}
	delete(f.open, h)
}

// subfolders are n folders with names of length bytes.
func subfolders(n, length int) []ftp.Entry {
	list := make([]ftp.Entry, n)
	for i := range list {
		name := fmt.Sprintf("%06d", i)
		list[i] = ftp.Entry{Name: []byte(name + strings.Repeat("n", length-len(name))), FileInfo: ftp.FileInfo{Type: ftp.Dir}}
	}
	return list
}

// headers are the folders of a listing with -R, in order.
func headers(listing string) (list []string) {
	for line := range strings.SplitSeq(listing, "\r\n") {
		if name, ok := strings.CutPrefix(line, "./"); ok {
			list = append(list, strings.TrimSuffix(name, ":"))
		}
	}
	return list
}

// walk is what ls -R would list below a folder.
func (f *forest) walk(name string) (list []string) {
	entries := slices.Clone(f.folder(name))
	slices.SortFunc(entries, func(a, b ftp.Entry) int { return strings.Compare(string(a.Name), string(b.Name)) })
	for _, e := range entries {
		path := string(e.Name)
		if name != "." {
			path = name + "/" + path
		}
		list = append(list, path)
		list = append(list, f.walk(path)...)
	}
	return list
}

// equalLists compares lists that are too long for a failure's message.
func equalLists(t *testing.T, want, got []string, what string) {
	t.Helper()
	require.Equal(t, len(want), len(got), what)
	for i := range want {
		require.Equal(t, want[i], got[i], "%s: %d", what, i)
	}
}

// TestRecursionIsWhole: LIST -R lists every folder once, depth first, with one
// open handle and in bounded memory, however many and long the names are.
func TestRecursionIsWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		length   int
		breadths []int
	}{
		{"20,000 folders of long names", 250, []int{200, 100}},
		{"20,000 subfolders of long names", 250, []int{20_000}},
		{"100,000 subfolders", 30, []int{100_000}},
		{"wide at each level", 250, []int{30, 30, 30}},
		{"wide below", 250, []int{3, 3, 3000}},
		{"deep", 6, slices.Repeat([]int{1}, 500)},
		{"deep and wide", 255, append(slices.Repeat([]int{1}, 12), 2000, 3)},
	} {
		random := rand.New(rand.NewPCG(1, 2))
		var lists [][]ftp.Entry // by depth
		for _, breadth := range append(c.breadths, 0) {
			list := subfolders(breadth, c.length)
			random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			lists = append(lists, list)
		}
		f, client := plant(t, func(name string) []ftp.Entry {
			if name == "." {
				return lists[0]
			}
			return lists[1+strings.Count(name, "/")]
		})
		content, codes := client.Get("LIST -R")
		assert.Equal(t, "150 226", codes, c.name)
		want := f.walk(".")
		equalLists(t, want, headers(content), c.name)
		assert.Equal(t, 1, f.most, c.name)
		assert.Empty(t, f.open, c.name)
		assert.Less(t, f.size, 1<<20, c.name)
		if len(c.breadths) < 3 {
			assert.Less(t, f.opens, 2*len(want)+10, c.name)
		}
	}
}

// TestRecursionTooDeep: where no pathname can be longer, the reply says that the
// listing is cut, on either connection.
func TestRecursionTooDeep(t *testing.T) {
	t.Parallel()
	f, client := plant(t, func(string) []ftp.Entry { return subfolders(1, 99) })
	content, codes := client.Get("LIST -R")
	assert.Equal(t, "150 451", codes)
	assert.Len(t, headers(content), 40)
	assert.Empty(t, f.open)
	status := client.Do("STAT -R")
	assert.Regexp(t, "(?s)^213-.*\r\n213 .*incomplete.$", status)
	assert.Len(t, headers(status), 40)
}

// TestRecursionOfChangingFolder: a folder that is read several times, and changes
// meanwhile, has nothing listed twice, and all that stays is listed.
func TestRecursionOfChangingFolder(t *testing.T) {
	t.Parallel()
	const many = 5000
	random := rand.New(rand.NewPCG(3, 4))
	reads := 0
	f, client := plant(t, func(name string) []ftp.Entry {
		if name != "." {
			return []ftp.Entry{}
		}
		list := subfolders(many, 200)
		reads++
		for i := range 500 { // come and go
			name := fmt.Appendf(nil, "%06d-%d-%s", random.IntN(many), reads, strings.Repeat("x", i%200))
			list = append(list, ftp.Entry{Name: name, FileInfo: ftp.FileInfo{Type: ftp.Dir}})
		}
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return list
	})
	content, codes := client.Get("LIST -R")
	assert.Equal(t, "150 226", codes)
	assert.Greater(t, reads, 3)
	got := headers(content)
	assert.True(t, slices.IsSorted(got))
	assert.Len(t, slices.Compact(slices.Clone(got)), len(got))
	stay := slices.DeleteFunc(got, func(name string) bool { return strings.Contains(name, "-") })
	assert.Len(t, stay, many)
	assert.Empty(t, f.open)
}

// TestRecursionLeavesOut: a folder that may not be read, or has vanished, is left out. If
// one cannot be read to its end, the reply says so. The rest is listed.
func TestRecursionLeavesOut(t *testing.T) {
	t.Parallel()
	for _, async := range []uint64{0, 5} {
		w, c := login(t)
		for _, name := range []string{"a", "b/x/deep", "c/y", "d"} {
			w.Put("t/"+name+"/file", "")
		}
		w.Put("t/link", "").Type = ftp.Link
		for _, r := range []struct {
			call  string
			err   error
			codes string
			want  string
		}{
			{"List", ftp.ErrPermission, "150 226", "a c c/y d"},
			{"List", ftp.ErrNotExist, "150 226", "a c c/y d"},
			{"List", ftp.ErrNotDir, "150 226", "a c c/y d"},
			{"List", ftp.ErrStorage, "150 226", "a c c/y d"},
			{"List", ftp.ErrTooMany, "150 451", "a c c/y d"},
			{"List", ftp.ErrName, "150 451", "a c c/y d"},
			{"ListNext", ftp.ErrStorage, "150 451", "a b c c/y d"},
			{"", nil, "150 226", "a b b/x b/x/deep c c/y d"},
		} {
			opened := ""
			w.Fault = func(call, name string) error {
				if call == "List" {
					opened = name
				}
				if call == r.call && opened == "t/b" {
					return r.err
				}
				return nil
			}
			asynchronous(w, async)
			content, codes := c.Get("LIST -R t")
			assert.Equal(t, r.codes, codes, "%s %v", r.call, r.err)
			assert.Equal(t, r.want, strings.Join(headers(content), " "), "%s %v", r.call, r.err)
		}
	}
}

// TestRecursionOverStatus: STAT -R is LIST -R as a reply.
func TestRecursionOverStatus(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	w.Put("sub/deep/far.txt", "")
	status := c.Do("STAT -R")
	wellFormed(t, status+"\r\n")
	status = strings.ReplaceAll(status, "\r\n", "|")
	assert.Regexp(t, `^213-[^|]*\|-[^|]* hello.txt\|d[^|]* sub\|`+
		`\|./sub:\|d[^|]* deep\|-[^|]* in.txt\|\|./sub/deep:\|-[^|]* far.txt\|213 End`, status)
}
