package ftp_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// seeds reads testdata/seed/NAME.txt, a quoted string a line, and fails when
// there is none: a fuzz target without seeds passes without a test.
func seeds(t testing.TB, name string) []string {
	text, err := os.ReadFile("testdata/seed/" + name + ".txt")
	require.NoError(t, err)
	var all []string
	for line := range strings.Lines(string(text)) {
		seed, err := strconv.Unquote(strings.TrimSpace(line))
		require.NoError(t, err, line)
		all = append(all, seed)
	}
	require.NotEmpty(t, all)
	return all
}
