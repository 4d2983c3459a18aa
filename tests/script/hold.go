package script

import (
	"path/filepath"
	"testing"
)

// ReadAll reads the scripts that match a pattern. Each test reads its own, so that
// tests share nothing.
func ReadAll(t testing.TB, pattern string) []*Script {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no scripts %s: %v", pattern, err)
	}
	var all []*Script
	for _, path := range paths {
		s, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// Hold holds the conversation with a world, or skips the test if the world does not
// meet a need.
func (c Case) Hold(t *testing.T, world World) {
	t.Helper()
	for _, need := range c.Needs {
		if !world.Has(need) {
			t.Skipf("this world has no %s", need)
		}
	}
	if err := c.Run(world); err != nil {
		t.Fatal(err)
	}
}

// HoldInTurn starts one server for each script and holds the script's cases one
// after the other. The folder is emptied between them.
func HoldInTurn(t *testing.T, scripts []*Script, start func(t testing.TB, root string) Folder) {
	for _, s := range scripts {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			world := start(t, t.TempDir())
			for _, c := range s.Cases {
				t.Run(c.Title, func(t *testing.T) {
					if err := world.Empty(); err != nil {
						t.Fatal(err)
					}
					c.Hold(t, world)
				})
			}
		})
	}
}
