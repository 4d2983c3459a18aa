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

// scripts are all the conversations.
func scripts(t *testing.T) []*script.Script { return script.ReadAll(t, "testdata/script/*.txt") }

// converse holds every conversation, each in a world of its own.
func converse(t *testing.T, place func(testing.TB) script.World) {
	t.Parallel()
	for _, s := range scripts(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			for _, c := range s.Cases {
				t.Run(c.Title, func(t *testing.T) {
					t.Parallel()
					c.Hold(t, place(t))
				})
			}
		})
	}
}

func TestConversationsInMemory(t *testing.T) { converse(t, memoryPlace) }

func TestConversationsOnDisk(t *testing.T) { converse(t, dirPlace) }

func TestConversationsWithProgram(t *testing.T) {
	t.Parallel()
	script.HoldInTurn(t, scripts(t), func(t testing.TB, root string) script.Folder {
		return folder{Network: startProgram(t, root), Root: root}
	})
}

// Every verb is said in some script.
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
