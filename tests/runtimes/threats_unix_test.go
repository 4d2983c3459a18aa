//go:build unix

package runtimes

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// TestThreat26TwoUploads: of two sessions that upload to one file at once, whatever
// they call it, one is refused, and a client that goes away leaves the file free.
func TestThreat26TwoUploads(t *testing.T) {
	eachTarget(t, func(t *testing.T, to target) {
		if to.runtime == "wasiftpd" {
			t.Skip("there a session from the same address takes the upload over")
		}
		root := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(root, "d"), 0o755))
		require.NoError(t, os.Symlink("d", filepath.Join(root, "other")))
		world := to.serve(t, root)
		converse(t, world, `== Two uploads
login
epsv
> STOR d/up
< 150
write "first"
session 2
login
epsv
> STOR d/up
< 450
> STOR other/up
< 450
> APPE d/up
< 450
session 1
close
< 226
has d/up "first"
session 2
> STOR other/up
< 150
write "second"
> STAT
< 211
drop
`)
		// The server may notice late that the second client is gone.
		require.Eventually(t, func() bool {
			s, err := script.Parse(t.Name(), "== Again\nlogin\nepsv\n> STOR d/up\n< 150\nsend \"third\"\n< 226\nhas d/up \"third\"\n")
			require.NoError(t, err)
			return s.Cases[0].Run(world) == nil
		}, script.Patience, 10*time.Millisecond)
	})
}

// TestThreat10Links: a link that somebody has planted does not lead out of the root,
// whatever the runtime does with links.
func TestThreat10Links(t *testing.T) {
	eachTarget(t, func(t *testing.T, to target) {
		above := t.TempDir()
		root, outside := filepath.Join(above, "root"), filepath.Join(above, "outside")
		for _, dir := range []string{root, outside, filepath.Join(root, "d")} {
			require.NoError(t, os.Mkdir(dir, 0o755))
		}
		require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(root, "d", "in"), []byte("in"), 0o644))
		for name, target := range map[string]string{
			"absolute": outside, "relative": "../outside", "d/deep": "../../outside", "chain": "relative",
			"file": "../outside/secret", "inside": "d", "d/up": "..",
		} {
			require.NoError(t, os.Symlink(target, filepath.Join(root, name)))
		}
		world := to.serve(t, root)
		for _, link := range []string{"absolute", "relative", "d/deep", "chain", "inside/deep", "d/up/d/deep"} {
			naming := 550
			if link == "absolute" && (to.name != "ftphost" || to.runtime == "wasiftpd") {
				naming = 553 // there it begins at the root, which has no such name
			}
			converse(t, world, fmt.Sprintf(`== A link that leads out
login
pasv
> RETR %[1]s/secret
< 550
> STOR %[1]s/secret
< %[2]d
> STOR %[1]s/new
< %[2]d
> SIZE %[1]s/secret
< 550
> CWD %[1]s
< 550
> DELE %[1]s/secret
< 550
> MKD %[1]s/made
< 550
> RNFR %[1]s/secret
< 550
> RNFR d/in
< 350
> RNTO %[1]s/in
< %[2]d
> NLST %[1]s
< 550
> MFMT 20200101000000 %[1]s/secret
< 550
`, link, naming))
		}
		converse(t, world, `== A link to a file outside, and one that stays inside
login
pasv
> RETR file
< 550
> STOR file
< 550
> APPE file
< 550
> RETR inside/in
< 150
receive "in"
< 226
`)
		same(t, []byte("secret"), filepath.Join(outside, "secret"))
		entries, err := os.ReadDir(outside)
		require.NoError(t, err)
		assert.Len(t, entries, 1)
	})
}

// TestThreat11SpecialFiles: a pipe is refused, and the server does not wait for the
// pipe's other end.
func TestThreat11SpecialFiles(t *testing.T) {
	eachTarget(t, func(t *testing.T, to target) {
		root := t.TempDir()
		if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o644); err != nil {
			t.Skipf("there are no pipes here: %v", err)
		}
		require.NoError(t, os.Symlink("pipe", filepath.Join(root, "link")))
		for _, name := range []string{"pipe", "link"} {
			converse(t, to.serve(t, root), fmt.Sprintf(`== A pipe
login
pasv
> RETR %[1]s
< 550
> STOR %[1]s
< 550
> APPE %[1]s
< 550
> CWD %[1]s
< 550
> MLSD
< 150
receive
!| type=file;* %[1]s
< 226
`, name))
		}
	})
}

// Pipes and sockets are listed, even if the runtime does not know them, and end no
// server: jco's adapter does not know sockets.
func TestSpecialFilesAreListed(t *testing.T) {
	eachTarget(t, func(t *testing.T, to target) {
		root := t.TempDir()
		socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(root, "b")})
		require.NoError(t, err)
		defer socket.Close()
		require.NoError(t, syscall.Mkfifo(filepath.Join(root, "c"), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(root, "a"), []byte("hello"), 0o644))
		world := to.start(t, root)
		c := login(t, world, "u")
		for _, command := range []string{"NLST", "LIST", "MLSD", "NLST"} {
			data, err := net.Dial("tcp", port(t, c, world).String())
			require.NoError(t, err)
			say(t, c, 150, command)
			listing, err := io.ReadAll(data)
			require.NoError(t, err)
			_, _, err = c.ReadResponse(226)
			require.NoError(t, err)
			data.Close()
			for _, name := range []string{"a\r\n", "b\r\n", "c\r\n"} {
				assert.Contains(t, string(listing), name, command)
			}
		}
		for _, command := range []string{"SIZE b", "MDTM c"} {
			require.NoError(t, c.PrintfLine("%s", command))
			_, _, err := c.ReadResponse(0)
			assert.NotErrorIs(t, err, io.EOF, command)
		}
		for _, name := range []string{"b", "c"} {
			say(t, c, 250, "DELE "+name)
		}
	})
}

// SIGTERM to the process that was started ends the server: no child process goes on to
// serve.
func TestNothingServesAfterSIGTERM(t *testing.T) {
	eachTarget(t, func(t *testing.T, to target) {
		network := to.start(t, t.TempDir())
		require.NoError(t, processOf(t).Signal(syscall.SIGTERM))
		require.Eventually(t, func() bool {
			c, err := net.Dial("tcp", network.IPv4.String())
			if err == nil {
				c.Close()
			}
			return err != nil
		}, script.Patience, 10*time.Millisecond)
	})
}
