package runtimes

import (
	"testing"

	"wasiftp/tests/script"
)

func TestConversations(t *testing.T) {
	for _, to := range targets[1:] { // the first has them in ..
		t.Run(to.String(), func(t *testing.T) {
			to.here(t)
			script.HoldInTurn(t, script.ReadAll(t, "../testdata/script/*.txt"), to.serve)
		})
	}
}
