package fscontract

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// beginning are the arguments of Create with which an upload begins.
type beginning struct {
	flag   int
	offset int64
}

// beginnings fit a file of ten bytes.
var beginnings = map[string]beginning{
	"replace": {os.O_TRUNC, 0}, "append": {os.O_APPEND, 0}, "offset 0": {0, 0}, "offset 3": {0, 3},
}

// nothings are the ways in which an upload gets no byte.
var nothings = map[string]func(Upload) error{
	"":                        func(Upload) error { return nil },
	" and a write of nothing": func(up Upload) error { _, err := up.Write(nil); return err },
	" and an end":             func(up Upload) error { return fill(up, strings.NewReader("")) },
	" and a limit of 0":       func(up Upload) error { return fill(up, io.LimitReader(strings.NewReader("x"), 0)) },
	" and a reset": func(up Upload) error {
		if err := fill(up, iotest.ErrReader(errReset)); !errors.Is(err, errReset) {
			return errors.New("not the reader's error")
		}
		return nil
	},
}

var errReset = errors.New("reset by the peer")

// fill copies r to the upload, by its ReadFrom if it has one, as a server does.
func fill(up Upload, r io.Reader) error {
	_, err := io.Copy(up, r)
	return err
}

// views are the storage, and the same storage with a mask.
func (s storage) views() map[string]FS {
	return map[string]FS{"": s.FS, ", masked": Masked{s.FS, 0o022}}
}

// testBegun aborts uploads that got no byte: a file that was there stays as it was, and
// no new file is made.
func testBegun(t *testing.T, s storage) {
	for masked, view := range s.views() {
		for kind, begin := range beginnings {
			for come, nothing := range nothings {
				what := kind + masked + come
				put(t, s, "old", "0123456789")
				require.NoError(t, s.Chtimes("old", time.Unix(1e9, 0)))
				reader, err := s.Open("old")
				require.NoError(t, err)

				up, err := view.Create("old", begin.flag, begin.offset, nil)
				require.NoError(t, err, what)
				require.NoError(t, nothing(up), what)
				assert.Equal(t, "0123456789", get(t, s, "old"), "%s: begun", what)
				require.NoError(t, up.Abort(), what)

				read, err := io.ReadAll(reader)
				require.NoError(t, err)
				require.NoError(t, reader.Close())
				assert.Equal(t, "0123456789", string(read), "%s: for who reads it", what)
				assert.Equal(t, "0123456789", get(t, s, "old"), "%s: aborted", what)
				info, err := s.Stat("old")
				require.NoError(t, err)
				assert.EqualValues(t, 1e9, info.ModTime().Unix(), what)
			}
		}
		s.testNothingMade(t, masked, view)
	}
	assert.Len(t, list(t, s, ".", -1), 1)
}

func (s storage) testNothingMade(t *testing.T, masked string, view FS) {
	makers := maps.Clone(beginnings)
	delete(makers, "offset 3")
	makers["exclusive"] = beginning{os.O_EXCL, 0}
	for kind, begin := range makers {
		for come, nothing := range nothings {
			what := kind + masked + come
			up, err := view.Create("new", begin.flag, begin.offset, nil)
			require.NoError(t, err, what)
			require.NoError(t, nothing(up), what)
			require.NoError(t, up.Abort(), what)
			_, err = s.Stat("new")
			s.wantError(t, err, fs.ErrNotExist)
			require.NoError(t, s.Mkdir("new", nil), what)
			require.NoError(t, s.Remove("new"), what)
		}
	}
}

// testCut checks that nothing of the old content is left behind the new one, whichever
// way the new one comes.
func testCut(t *testing.T, s storage) {
	for masked, view := range s.views() {
		for _, content := range []string{"", "x", "short", strings.Repeat("longer ", 20_000)} {
			for way, send := range map[string]func(Upload) error{
				"written": func(up Upload) error { _, err := io.WriteString(up, content); return err },
				"read":    func(up Upload) error { return fill(up, strings.NewReader(content)) },
				"a byte a read": func(up Upload) error {
					return fill(up, iotest.OneByteReader(strings.NewReader(content[:min(len(content), 100)])))
				},
				"in pieces": func(up Upload) error {
					r := strings.NewReader(content)
					for r.Len() > 0 {
						if err := fill(up, io.LimitReader(r, 50_000)); err != nil {
							return err
						}
					}
					return nil
				},
			} {
				put(t, s, "file", "a content of some length")
				up, err := view.Create("file", os.O_TRUNC, 0, nil)
				require.NoError(t, err)
				require.NoError(t, send(up))
				require.NoError(t, up.Commit())
				want := content
				if way == "a byte a read" {
					want = content[:min(len(content), 100)]
				}
				assert.True(t, want == get(t, s, "file"), "%d bytes %s%s", len(want), way, masked)
			}
		}
	}
}

// testMadeByAnother checks that an aborted upload removes no file but the one that it
// has made.
func testMadeByAnother(t *testing.T, s storage) {
	for _, flag := range []int{os.O_TRUNC, os.O_EXCL, os.O_APPEND, 0} {
		put(t, s, "other", "")
		up, err := s.Create("file", flag, 0, nil)
		require.NoError(t, err)
		if err := s.Rename(t.Context(), "other", "file"); err != nil {
			require.NoError(t, up.Abort())
			t.Skip("this storage renames nothing onto a file that is open")
		}
		require.NoError(t, up.Abort())
		assert.Equal(t, "", get(t, s, "file"), "of another")
		require.NoError(t, s.Remove("file"))

		up, err = s.Create("file", flag, 0, nil)
		require.NoError(t, err)
		if s.Remove("file") == nil {
			require.NoError(t, s.Mkdir("file", nil))
		}
		up.Abort()
		if info, err := s.Stat("file"); err == nil {
			assert.True(t, info.IsDir())
			require.NoError(t, s.Remove("file"))
		}
	}
}
