package tests

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// A hash of a file that would take an hour to read is ended by ABOR at once, and
// a session has one at a time.
func TestThreat29CostOfHash(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	sparse, err := os.Create(filepath.Join(root, "sparse"))
	require.NoError(t, err)
	if err := sparse.Truncate(1 << 40); err != nil {
		t.Skip("no sparse file of 1 TB here: ", err)
	}
	require.NoError(t, sparse.Close())
	require.NoError(t, os.WriteFile(filepath.Join(root, "abc"), []byte("abc"), 0o644))
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	observed := &events{}
	_, network := serve(t, host.Config{Authenticator: accounts(dir), Observer: observed})
	c := login(t, network, "u")
	for _, command := range []string{"HASH sparse", "XCRC sparse", `XSHA512 "sparse" 5 1000000000000`} {
		c.send(command + "\r\nSTAT\r\nHASH abc\r\n")
		assert.Equal(t, 211, c.reply().Code, "STAT is answered meanwhile")
		began := time.Now()
		assert.Equal(t, 426, c.do("ABOR"))
		assert.Equal(t, 226, c.reply().Code)
		assert.Equal(t, 213, c.reply().Code, "the second waited for the first")
		assert.Less(t, time.Since(began), 5*time.Second)
	}
	c.send("HASH sparse\r\n")
	c.control.Close()
	eventually(t, "a session that is gone hashes nothing", func() bool { return len(observed.of(host.Hashed)) == 7 })
}

// While the hashes of a crowd never end, another user's hash is made, commands are
// answered, and STAT and ABOR work in each session of the crowd.
func TestThreat35Hashes(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	sparse, err := os.Create(filepath.Join(root, "sparse"))
	require.NoError(t, err)
	if err := sparse.Truncate(1 << 40); err != nil {
		t.Skip("no sparse file of 1 TB here: ", err)
	}
	require.NoError(t, sparse.Close())
	require.NoError(t, os.WriteFile(filepath.Join(root, "few"), make([]byte, 1<<20), 0o644))
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	_, network := serve(t, host.Config{Authenticator: accounts(dir), Limits: host.Limits{Processors: 1}})
	var crowd []*talk
	for range 30 {
		c := login(t, network, "u")
		c.send("HASH sparse\r\n")
		crowd = append(crowd, c)
	}
	another := login(t, network, "ro")
	assert.Equal(t, 213, another.do("HASH few"))
	assert.Equal(t, 200, another.do("NOOP"))
	for _, c := range crowd {
		assert.Equal(t, 211, c.do("STAT"))
		assert.Equal(t, 426, c.do("ABOR"))
		assert.Equal(t, 226, c.reply().Code)
	}
}
