package tests

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// TestDyingClientCommitsNothing: when a program is killed, the system closes its
// connections one after the other, and the control connection first, as the older one. An
// upload whose data connection ends after that is not committed: it may be half a file,
// however whole it looks.
func TestDyingClientCommitsNothing(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"nothing more said":      "",
		"unread commands behind": strings.Repeat("NOOP\r\n", 2000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network, root, seen := uploads(t, fsbridge.DirOptions{Atomic: true})
			const clients = 40
			for i := range clients {
				c := login(t, network, "u")
				d := c.begin(fmt.Sprintf("STOR half-%d", i), "half of it")
				c.send(before)
				c.control.Close()
				d.Close()
			}
			eventually(t, "not all uploads ended", func() bool {
				return len(seen.of(host.UploadFailed))+len(seen.of(host.Uploaded)) == clients
			})
			assert.Empty(t, seen.of(host.Uploaded))
			for _, event := range seen.of(host.UploadFailed) {
				assert.Equal(t, "u", event.User)
			}
			assert.Empty(t, fileNames(t, root))
		})
	}
}

// TestQuitIsNoDeath: a client that has said QUIT may close its control connection before
// its upload ends.
func TestQuitIsNoDeath(t *testing.T) {
	t.Parallel()
	for _, lines := range []string{"QUIT\r\n", "PWD\r\nQUIT\r\n"} {
		network, root, _ := uploads(t, fsbridge.DirOptions{Atomic: true})
		c := login(t, network, "u")
		d := c.begin("STOR f", "all of it")
		c.send(lines)
		require.NoError(t, c.control.(interface{ CloseWrite() error }).CloseWrite())
		d.Close()
		assert.Contains(t, c.rest(), "226 ", "%q", lines)
		assert.Equal(t, []string{"f"}, fileNames(t, root), "%q", lines)
	}
}

// rest is all that the server says until it closes the control connection.
func (c *talk) rest() string {
	c.t.Helper()
	said, err := io.ReadAll(c.in)
	require.NoError(c.t, err)
	return string(said)
}

// TestVanishedClientGivesItsPlace: the server notices that a client is gone, although a
// command waits and more commands are queued behind it than the server reads.
func TestVanishedClientGivesItsPlace(t *testing.T) {
	t.Parallel()
	files, err := fsbridge.OpenDir(t.TempDir(), fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { files.Close() })
	seen := &events{}
	_, network := serve(t, host.Config{Authenticator: accounts(files), Observer: seen})
	for _, last := range []func(c *talk){
		func(c *talk) { c.port(); c.send("STOR f\r\n") },
		func(c *talk) { c.begin("STOR f", "half of it") },
	} {
		c, gone := login(t, network, "u"), len(seen.of(host.Disconnected))
		last(c)
		c.send(strings.Repeat("NOOP\r\n", 2000))
		c.control.Close()
		eventually(t, "the session goes on without its client", func() bool { return len(seen.of(host.Disconnected)) > gone })
		assert.Equal(t, "u", seen.of(host.Disconnected)[gone].User)
	}
}

// TestLostUploadIsTakenOver: a client that loses its connection during an upload and
// comes again need not wait until the server notices the loss.
func TestLostUploadIsTakenOver(t *testing.T) {
	t.Parallel()
	network, root, seen := uploads(t, fsbridge.DirOptions{})
	lost := map[string]*talk{"moving": login(t, network, "u"), "waiting": login(t, network, "u")}
	lost["moving"].begin("STOR moving", "half of it")
	lost["waiting"].port()
	require.Equal(t, 150, lost["waiting"].do("STOR waiting"))
	for name := range lost {
		assert.Equal(t, 450, login(t, network, "admin").doAtPort("STOR "+name), "another account's")
		again := login(t, network, "u")
		require.Equal(t, 226, again.store("STOR "+name, "all of it"))
		content, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		assert.Equal(t, "all of it", string(content))
		again.alive()
	}
	assert.Equal(t, 426, lost["moving"].reply().Code)
	lost["moving"].alive()
	failed := seen.of(host.UploadFailed)
	require.Len(t, failed, 2)
	for _, event := range failed {
		assert.ErrorContains(t, event.Err, "taken over")
		assert.Equal(t, "u", event.User)
	}
}

// doAtPort opens a passive port, sends a line and returns the code of its reply.
func (c *talk) doAtPort(line string) int {
	c.t.Helper()
	c.port()
	return c.do(line)
}

// TestEveryEndIsTold: before Close returns, the observer hears of every transfer's end,
// even of one whose data connection never came.
func TestEveryEndIsTold(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	seen := &events{}
	server, network := serve(t, host.Config{Authenticator: accounts(files), Observer: host.ObserverFunc(seen.Observe)})
	require.Equal(t, 226, login(t, network, "u").store("STOR old", "content"))
	for _, line := range []string{"RETR old", "STOR new", "APPE old"} {
		assert.Equal(t, 150, login(t, network, "u").doAtPort(line))
	}
	require.NoError(t, server.Close())
	told := append(seen.of(host.Downloaded), seen.of(host.UploadFailed)...)
	require.Len(t, told, 3)
	for _, event := range told {
		assert.Error(t, event.Err)
		assert.Equal(t, "u", event.User)
	}
	assert.Len(t, seen.of(host.Disconnected), 4)
}

// TestFaultyStorageIsTold: an upload has failed if its storage panics or fails, even at
// its end.
func TestFaultyStorageIsTold(t *testing.T) {
	t.Parallel()
	fault := errors.New("the fault")
	for name, upload := range map[string]faultyUpload{
		"write panics":  {write: func() error { panic("write") }},
		"write fails":   {write: func() error { return syscall.ENOSPC }},
		"commit panics": {commit: func() error { panic("commit") }},
		"commit fails":  {commit: func() error { return fault }},
		"abort panics":  {write: func() error { return fault }, abort: func() error { panic("abort") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := &events{}
			_, network := serve(t, host.Config{Authenticator: accounts(faulty{fsbridge.NewMemory(), upload}), Observer: seen})
			c := login(t, network, "u")
			assert.Contains(t, []int{451, 452}, c.store("STOR f", "content"))
			c.alive()
			eventually(t, "nobody is told", func() bool { return len(seen.of(host.UploadFailed)) == 1 })
			assert.Error(t, seen.of(host.UploadFailed)[0].Err)
			assert.Equal(t, "u", seen.of(host.UploadFailed)[0].User)
			assert.Empty(t, seen.of(host.Uploaded))
		})
	}
}

// faulty is a storage whose uploads call the functions of upload.
type faulty struct {
	*fsbridge.Memory
	upload faultyUpload
}

func (f faulty) Create(string, int, int64, *fs.FileMode) (fsbridge.Upload, error) {
	return f.upload, nil
}

// faultyUpload calls those of its functions that are not nil.
type faultyUpload struct{ write, commit, abort func() error }

func (u faultyUpload) Write(p []byte) (int, error) { return len(p), run(u.write) }
func (u faultyUpload) Commit() error               { return run(u.commit) }
func (u faultyUpload) Abort() error                { return run(u.abort) }

func run(call func() error) error {
	if call == nil {
		return nil
	}
	return call()
}

// TestAcceptGoesOn: an error of accept(2) may pass, so that only a closed listener ends
// Serve.
func TestAcceptGoesOn(t *testing.T) {
	t.Parallel()
	server, _ := serve(t, host.Config{})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	faults := &faultyListener{Listener: l, faults: []error{
		syscall.ENOMEM, syscall.ENOBUFS, syscall.EPROTO, syscall.EMFILE, syscall.ENETDOWN, errors.New("unheard of"),
	}}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(faults) }()
	for range 2 {
		connect(t, script.Network{IPv4: address(l)})
	}
	l.Close()
	assert.ErrorIs(t, <-ended, net.ErrClosed)
	assert.Empty(t, faults.faults)
}

// faultyListener returns its faults, one for each Accept, before it accepts.
type faultyListener struct {
	net.Listener
	faults []error
}

func (l *faultyListener) Accept() (net.Conn, error) {
	if len(l.faults) > 0 {
		err := l.faults[0]
		l.faults = l.faults[1:]
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: err}
	}
	return l.Listener.Accept()
}

//go:embed testdata/killed.py
var killedProgram string

// TestKilledClientsLeaveNoHalf: clients that are killed during their uploads leave whole
// files only, and no hidden ones.
func TestKilledClientsLeaveNoHalf(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not here")
	}
	const clients = 1000
	network, root, _ := uploads(t, fsbridge.DirOptions{Atomic: true})
	at := network.IPv4
	program := exec.CommandContext(t.Context(), "python3", "-", at.Addr().String(), portText(at), decimal(clients))
	program.Stdin = strings.NewReader(killedProgram)
	out, err := program.CombinedOutput()
	require.NoError(t, err, "%s", out)
	killed, err := strconv.Atoi(strings.TrimSpace(string(out)))
	require.NoError(t, err, "%s", out)
	t.Logf("%d of %d were killed", killed, clients)
	assert.Greater(t, killed, clients/2)
	isHidden := func(name string) bool { return name[0] == '.' }
	eventually(t, "hidden files stay", func() bool { return !slices.ContainsFunc(fileNames(t, root), isHidden) })
	for _, name := range fileNames(t, root) {
		info, err := os.Stat(filepath.Join(root, name))
		require.NoError(t, err)
		assert.Equal(t, filepath.Ext(name), "."+decimal(int(info.Size())), name)
	}
}
