package tests

import (
	_ "embed"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The program checks what it sees, and the test what it leaves on the server.
//
//go:embed testdata/client.py
var pythonProgram string

func TestClientPython(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"passive", "active"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "python3", "python3")
			for family, at := range s.addresses() {
				s.offer(family)
				s.prepare(family)
				out := s.run(pythonProgram, "python3", "-", at.Addr().String(), portText(at), way, family)
				assert.Contains(t, out, "all is well")
				s.same(s.remote(family + "/up"))
				s.content(s.remote(family+"/text"), []byte("one\ntwo\n"))
				entries, err := os.ReadDir(s.remote(family + "/up"))
				assert.NoError(t, err)
				assert.Len(t, entries, len(samples))
			}
		})
	}
}
