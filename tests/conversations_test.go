package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/module/ftp"
	"wasiftp/tests/script"
)

// scripts are all the conversations, read once more for each test, so that none
// of them shares anything.
func scripts(t *testing.T) []*script.Script {
	t.Helper()
	paths, err := filepath.Glob("testdata/script/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, paths, "there are no scripts")
	var all []*script.Script
	for _, path := range paths {
		s, err := script.Read(path)
		require.NoError(t, err)
		all = append(all, s)
	}
	return all
}

// converse holds every conversation, each in a world of its own.
func converse(t *testing.T, place func(testing.TB) script.World) {
	t.Parallel()
	for _, s := range scripts(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			for _, c := range s.Cases {
				t.Run(c.Title, func(t *testing.T) {
					t.Parallel()
					hold(t, c, place(t))
				})
			}
		})
	}
}

func hold(t *testing.T, c script.Case, world script.World) {
	for _, need := range c.Needs {
		if !world.Has(need) {
			t.Skipf("this world has no %s", need)
		}
	}
	require.NoError(t, c.Run(world))
}

func TestConversationsInMemory(t *testing.T) { converse(t, memoryPlace) }

func TestConversationsOnDisk(t *testing.T) { converse(t, dirPlace) }

// The program is started once for a script; its cases then follow each other on
// a folder that is emptied between them.
func TestConversationsWithProgram(t *testing.T) {
	t.Parallel()
	for _, s := range scripts(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			world := folder{startProgram(t, root), root}
			for _, c := range s.Cases {
				t.Run(c.Title, func(t *testing.T) {
					require.NoError(t, empty(root))
					hold(t, c, world)
				})
			}
		})
	}
}

func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return err
}

// A verb that is added must be spoken of in some script.
func TestConversationsCoverAllVerbs(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	paths, err := filepath.Glob("testdata/script/*.txt")
	require.NoError(t, err)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		all.Write(b)
	}
	for _, verb := range ftp.Verbs() {
		said := regexp.MustCompile(`(?mi)^(> |>> ".*)` + verb.Name + `\b`).MatchString(all.String())
		assert.True(t, said || verb.Name == "PASV" || verb.Name == "EPRT", "no script says %s", verb.Name)
	}
}
