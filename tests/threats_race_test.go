package tests

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// uploads is a server on a folder, the folder, and the server's events.
func uploads(t testing.TB, options fsbridge.DirOptions) (script.Network, string, *events) {
	t.Helper()
	root := t.TempDir()
	dir, err := fsbridge.OpenDir(root, options)
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	seen := &events{}
	_, network := serve(t, host.Config{
		Authenticator: accounts(dir), Observer: seen,
		// After QUIT, a transfer is waited for this long, whether or not the
		// client is still there.
		Limits: host.Limits{DataTime: time.Second},
	})
	return network, root, seen
}

// begin begins an upload and leaves it open.
func (c *talk) begin(line, content string) script.Conn {
	c.t.Helper()
	d := c.data()
	require.Equal(c.t, 150, c.do(line))
	_, err := io.WriteString(d, content)
	require.NoError(c.t, err)
	return d
}

func fileNames(t testing.TB, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestThreat26TwoUploadsOfOneName(t *testing.T) {
	t.Parallel()
	for _, atomic := range []bool{false, true} {
		t.Run(fmt.Sprintf("atomic %v", atomic), func(t *testing.T) {
			t.Parallel()
			network, root, _ := uploads(t, fsbridge.DirOptions{Atomic: atomic})
			one, two := login(t, network, "u"), login(t, network, "admin")
			first := one.begin("STOR f", strings.Repeat("1", 5000))
			want := strings.Repeat("1", 10000)
			code := two.store("STOR f", strings.Repeat("2", 7000))
			if atomic { // each is whole, and the last to end stays
				assert.Equal(t, 226, code)
				b, err := os.ReadFile(filepath.Join(root, "f"))
				require.NoError(t, err)
				assert.Equal(t, strings.Repeat("2", 7000), string(b))
			} else { // the second is told to wait
				assert.Equal(t, 450, code)
			}
			_, err := io.WriteString(first, strings.Repeat("1", 5000))
			require.NoError(t, err)
			first.Close()
			assert.Equal(t, 226, one.reply().Code)
			b, err := os.ReadFile(filepath.Join(root, "f"))
			require.NoError(t, err)
			assert.Equal(t, want, string(b))
			assert.Equal(t, []string{"f"}, fileNames(t, root))
		})
	}
}

// However an upload is given up, an event says so, and its hidden file is gone.
func TestThreat26UploadsGivenUp(t *testing.T) {
	t.Parallel()
	for name, give := range map[string]func(c *talk, d script.Conn){
		"ABOR": func(c *talk, d script.Conn) {
			require.Equal(t, 426, c.do("ABOR"))
			require.Equal(t, 226, c.reply().Code)
		},
		"control connection closed": func(c *talk, d script.Conn) { c.control.Close() },
		"QUIT, then data connection broken": func(c *talk, d script.Conn) {
			require.Equal(t, 221, c.do("QUIT"))
			breakOff(d)
			require.Equal(t, 426, c.reply().Code)
			c.ended()
		},
		"data connection broken": func(c *talk, d script.Conn) {
			breakOff(d)
			require.Equal(t, 426, c.reply().Code)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network, root, seen := uploads(t, fsbridge.DirOptions{Atomic: true})
			require.NoError(t, os.WriteFile(filepath.Join(root, "f"), []byte("old"), 0o644))
			c := login(t, network, "u")
			d := c.begin("STOR f", "half of it")
			give(c, d)
			eventually(t, "no event says that the upload failed", func() bool { return len(seen.of(host.UploadFailed)) == 1 })
			event := seen.of(host.UploadFailed)[0]
			assert.Equal(t, "/f", event.Path)
			assert.Equal(t, "u", event.User)
			assert.Error(t, event.Err)
			assert.Empty(t, seen.of(host.Uploaded))
			eventually(t, "the hidden file stays", func() bool { return len(fileNames(t, root)) == 1 })
			b, err := os.ReadFile(filepath.Join(root, "f"))
			require.NoError(t, err)
			assert.Equal(t, "old", string(b))
			// Nothing holds the name.
			assert.Equal(t, 226, login(t, network, "u").store("STOR f", "new"))
		})
	}
}

// breakOff closes a connection by a TCP reset.
func breakOff(d script.Conn) {
	d.(interface{ SetLinger(int) error }).SetLinger(0)
	d.Close()
}

func TestThreat26RenameOntoUpload(t *testing.T) {
	t.Parallel()
	for _, atomic := range []bool{false, true} {
		network, root, _ := uploads(t, fsbridge.DirOptions{Atomic: atomic})
		require.NoError(t, os.WriteFile(filepath.Join(root, "other"), []byte("other"), 0o644))
		one, two := login(t, network, "u"), login(t, network, "u")
		d := one.begin("STOR f", "whole")
		require.Equal(t, 350, two.do("RNFR other"))
		renamed := two.do("RNTO f") == 250
		d.Close()
		code := one.reply().Code
		b, err := os.ReadFile(filepath.Join(root, "f"))
		require.NoError(t, err)
		// Either order of the two is right, a mixture is not.
		assert.Contains(t, []string{"whole", "other"}, string(b))
		if code == 226 && !renamed {
			assert.Equal(t, "whole", string(b))
		}
		one.alive()
		two.alive()
	}
}

// A file that is deleted or renamed while it is sent is sent as it was.
func TestThreat26FileChangedDuringDownload(t *testing.T) {
	t.Parallel()
	network, root, _ := uploads(t, fsbridge.DirOptions{})
	large := script.Bytes(20 << 20)
	require.NoError(t, os.WriteFile(filepath.Join(root, "f"), large, 0o644))
	one, two := login(t, network, "u"), login(t, network, "u")
	d := one.data()
	require.Equal(t, 150, one.do("RETR f"))
	require.Equal(t, 250, two.do("DELE f"))
	require.Equal(t, 226, two.store("STOR f", "new"))
	got, err := io.ReadAll(d)
	require.NoError(t, err)
	assert.Equal(t, 226, one.reply().Code)
	assert.True(t, string(large) == string(got), "the download is not what the file was")
}

// Sessions that begin, give up and break off transfers in any order, by a seed.
// What the engine makes of every order is tested in module/ftp, 10^5 times; here
// it is the host's goroutines that race.
func TestThreat27AborRaces(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 50
	}
	network, root, seen := uploads(t, fsbridge.DirOptions{Atomic: true})
	require.NoError(t, os.WriteFile(filepath.Join(root, "f"), script.Bytes(8<<20), 0o644))
	before := descriptors(t)
	const seed = 20201103 // CVE-2020-9273
	random := rand.New(rand.NewPCG(seed, seed))
	for round := range rounds {
		abuse(t, network, random)
		if t.Failed() {
			t.Fatalf("in round %d of seed %d", round, seed)
		}
	}
	c := login(t, network, "u")
	got, code := c.get("RETR f")
	assert.Equal(t, 226, code)
	assert.Len(t, got, 8<<20)
	c.control.Close()
	eventually(t, "sessions do not end", func() bool {
		return len(seen.of(host.Connected)) == len(seen.of(host.Disconnected))
	})
	eventually(t, "descriptors stay open", func() bool { return descriptors(t) <= before+4 })
	assert.Equal(t, []string{"f"}, fileNames(t, root), "uploads that were given up left something")
}

// abuse is one session of [TestThreat27AborRaces].
func abuse(t testing.TB, network script.Network, random *rand.Rand) {
	t.Helper()
	c := login(t, network, "u")
	defer c.control.Close()
	verb := []string{"LIST", "RETR f", "STOR up", "MLSD", "STOU", "RETR f"}[random.IntN(6)]
	port := c.port()
	var d script.Conn
	dial := func() {
		if d == nil {
			d, _ = network.Dial(c.control, port)
		}
	}
	if random.IntN(2) == 0 {
		dial()
	}
	upload := strings.HasPrefix(verb, "STO")
	c.send(verb + "\r\n")
	quit := false
	for range random.IntN(4) {
		switch random.IntN(6) {
		case 0:
			dial()
		case 1:
			if d != nil && !upload {
				d.Read(make([]byte, 1000))
			}
		case 2:
			if d != nil && upload {
				d.Write([]byte("some"))
			}
		case 3:
			c.send("NOOP\r\n")
		case 4:
			c.send("STAT\r\n")
		case 5:
			c.send("QUIT\r\n")
			quit = true
		}
	}
	if d != nil && random.IntN(3) == 0 {
		breakOff(d)
	} else if d != nil {
		defer breakOff(d)
	}
	if quit || random.IntN(3) == 0 {
		return // it goes without a word
	}
	c.send("\xff\xf4\xff\xf2ABOR\r\nSYST\r\n")
	for range 20 {
		if c.reply().Code == 215 {
			c.alive()
			return
		}
	}
	t.Error("SYST is not answered")
}
