package tests

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/host"
)

// descriptors is how many files and sockets this process has open.
func descriptors(t testing.TB) int {
	runtime.GC() // until then Go keeps the pipes that splice has used
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("descriptors cannot be counted here: %v", err)
	}
	return len(entries)
}

// resident is this process's resident memory in bytes.
func resident(t testing.TB) int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skipf("resident memory cannot be seen here: %v", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	require.NoError(t, err)
	return pages * os.Getpagesize()
}

// The tests of this process's resources run alone: not in parallel.

func TestThreat18PassiveFlood(t *testing.T) {
	network, _ := memoryNetwork(t)
	c := login(t, network, "u")
	before := descriptors(t)
	for range 20 { // in one write each, so that the server gets them at once
		c.send(strings.Repeat("PASV\r\nEPSV\r\n", 25))
		for range 25 {
			require.Equal(t, 227, c.reply().Code)
			require.Equal(t, 229, c.reply().Code)
		}
	}
	assert.LessOrEqual(t, descriptors(t), before+4, "passive ports stay open")
	got, code := c.get("NLST")
	assert.Equal(t, 226, code)
	assert.Empty(t, got)
}

// endless is a file system whose directory "many" has as many entries as entries says,
// made when they are asked for. Its directory "deep" has a directory "d" within which
// there is a directory "d", and so on.
type endless struct{ entries int }

func (e endless) Open(name string) (fs.File, error) {
	base := path.Base(name)
	switch {
	case name == ".", name == "many", name == "deep", strings.HasPrefix(name, "deep/") && base == "d":
		return &endlessDir{endlessInfo(base), e, name, 0}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

type endlessDir struct {
	endlessInfo
	files endless
	name  string
	next  int
}

func (d *endlessDir) Stat() (fs.FileInfo, error) { return d.endlessInfo, nil }
func (d *endlessDir) Read([]byte) (int, error)   { return 0, errors.ErrUnsupported }
func (d *endlessDir) Close() error               { return nil }

func (d *endlessDir) ReadDir(n int) ([]fs.DirEntry, error) {
	var list []fs.DirEntry
	last := d.files.entries
	if d.name != "many" {
		last = 1
	}
	for ; d.next < last && (n <= 0 || len(list) < n); d.next++ {
		info := endlessInfo("d")
		if d.name == "many" {
			info = endlessInfo(fmt.Sprintf("a file with a name of usual length %07d", d.next))
		}
		list = append(list, fs.FileInfoToDirEntry(info))
	}
	if n > 0 && len(list) == 0 {
		return nil, io.EOF
	}
	return list, nil
}

// endlessInfo is the name of a directory if it is shorter than five bytes, else of a
// file.
type endlessInfo string

func (i endlessInfo) Name() string       { return string(i) }
func (i endlessInfo) Size() int64        { return 1 }
func (i endlessInfo) ModTime() time.Time { return past }
func (i endlessInfo) IsDir() bool        { return len(i) < 5 }
func (i endlessInfo) Sys() any           { return nil }

func (i endlessInfo) Mode() fs.FileMode {
	if i.IsDir() {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

func TestThreat18LargeDirectory(t *testing.T) {
	entries := 300_000
	if testing.Short() {
		entries = 30_000
	}
	network := serveFiles(t, endless{entries})
	c := login(t, network, "u")
	_, code := c.get("NLST .") // takes the memory that a listing needs once, not by entry
	require.Equal(t, 226, code)
	runtime.GC()
	before := resident(t)
	for _, verb := range []string{"MLSD many", "LIST many"} {
		d := c.data()
		require.Equal(t, 150, c.do(verb))
		lines, most := 0, 0
		in := bufio.NewReaderSize(d, 64<<10)
		for {
			_, err := in.ReadSlice('\n')
			if err != nil {
				require.ErrorIs(t, err, io.EOF)
				break
			}
			if lines++; lines%10_000 == 0 {
				most = max(most, resident(t)-before)
			}
		}
		assert.Equal(t, 226, c.reply().Code)
		assert.GreaterOrEqual(t, lines, entries, verb)
		// All the entries at once would take 40 MB and more.
		assert.Less(t, most, 24<<20, "%s took %d MiB", verb, most>>20)
	}
}

// A client that reads nothing of a listing must not fill the server.
func TestThreat18UnreadListing(t *testing.T) {
	network := serveFiles(t, endless{1 << 30})
	var sessions []*talk
	before := resident(t)
	for range 4 {
		c := login(t, network, "u")
		c.data()
		require.Equal(t, 150, c.do("MLSD many"))
		sessions = append(sessions, c)
	}
	other := login(t, network, "u")
	for range 50 {
		other.alive()
	}
	assert.Less(t, resident(t)-before, 64<<20)
	for _, c := range sessions {
		require.Equal(t, 426, c.do("ABOR"))
		require.Equal(t, 226, c.reply().Code)
	}
}

func TestThreat18DeepTree(t *testing.T) {
	network := serveFiles(t, endless{})
	c := login(t, network, "u")
	d := c.data()
	require.Equal(t, 150, c.do("LIST -R deep"))
	listing, err := io.ReadAll(io.LimitReader(d, 64<<20))
	require.NoError(t, err)
	assert.Less(t, len(listing), 64<<20, "LIST -R has no end")
	c.reply()
	c.alive()
	// Nor may the path of the working directory grow without end.
	require.Equal(t, 250, c.do("CWD deep"))
	deep := strings.Repeat("d/", 1500)
	for range 5 {
		c.do("CWD " + deep)
	}
	r := c.say("PWD")
	assert.Less(t, len(r.Text()), 8192)
	c.alive()
}

func TestThreat19GlobBomb(t *testing.T) {
	network, files := memoryNetwork(t)
	for i := range 200 {
		require.NoError(t, putFile(files, strings.Repeat("a", 200)+decimal(i), nil, past))
	}
	require.NoError(t, files.Mkdir("a", nil))
	c, other := login(t, network, "u"), login(t, network, "u")
	for _, pattern := range []string{
		strings.Repeat("a*", 100) + "b",
		strings.Repeat("*a", 100) + "*b",
		strings.Repeat("*?", 100) + "b",
		strings.Repeat("*", 2000) + "b",
		strings.Repeat("[a-z]*", 60) + "b",
		strings.Repeat("[", 1000),
		strings.Repeat("*/../", 100) + "*",
		strings.Repeat("*/", 1000) + "*",
		strings.Repeat("{a,", 500) + "b",
	} {
		for _, verb := range []string{"NLST ", "LIST ", "STAT "} {
			began := time.Now()
			c.port()
			d, err := network.Dial(c.control, c.port())
			require.NoError(t, err)
			c.send(verb + pattern + "\r\n")
			// Another session of the same instance goes on meanwhile.
			other.alive()
			for code := 150; code < 200; code = c.reply().Code {
			}
			d.Close()
			assert.Less(t, time.Since(began), 5*time.Second, "%s%.20s", verb, pattern)
		}
	}
	c.alive()
}

// Bytes without a line end must not fill the server either.
func TestThreat18EndlessLines(t *testing.T) {
	network, _, _ := observed(t, host.Config{Limits: host.Limits{LineLength: 512}})
	before := resident(t)
	c := login(t, network, "u")
	chunk := strings.Repeat("x", 64<<10)
	for range 500 {
		c.send(chunk)
	}
	c.send("\r\n")
	assert.Equal(t, 500, c.reply().Code)
	assert.Less(t, resident(t)-before, 24<<20)
	c.alive()
}
