package runtimes

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

func TestConversations(t *testing.T) {
	for _, to := range targets[1:] { // the tests in .. hold them with the first
		t.Run(to.String(), func(t *testing.T) {
			to.here(t)
			script.HoldInTurn(t, script.ReadAll(t, "../testdata/script/*.txt"), to.serve)
		})
	}
}

// converse holds the conversations of text.
func converse(t *testing.T, world script.World, text string) {
	t.Helper()
	hold(t, world, parse(t, text))
}

func parse(t *testing.T, text string) []script.Case {
	t.Helper()
	s, err := script.Parse(t.Name(), text)
	require.NoError(t, err)
	return s.Cases
}

func hold(t *testing.T, world script.World, cases []script.Case) {
	t.Helper()
	for _, c := range cases {
		assert.NoError(t, c.Run(world))
	}
}
