package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hungMount mounts a file system whose every call hangs until the test ends: nobody
// answers the kernel's questions.
func hungMount(t *testing.T, folder string) {
	t.Helper()
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("there is no FUSE here: %v", err)
	}
	t.Cleanup(func() { device.Close() }) // what still hangs fails then
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device.Fd())
	if err := syscall.Mount("hung", folder, "fuse", 0, options); err != nil {
		t.Skipf("only root can mount: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(folder, syscall.MNT_DETACH) })
}

// pidsGroup makes a cgroup that allows so many tasks, and returns its folder.
func pidsGroup(t *testing.T, most int) string {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		folder := filepath.Join(root, fmt.Sprintf("wasiftp-%d", os.Getpid()))
		if os.Mkdir(folder, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { eventually(t, "the cgroup is in use", func() bool { return syscall.Rmdir(folder) == nil }) })
		if os.WriteFile(filepath.Join(folder, "pids.max"), []byte(strconv.Itoa(most)), 0o644) == nil {
			return folder
		}
	}
	t.Skip("no cgroup can be made here that bounds the tasks")
	return ""
}

// TestThreat44FewTasks: the program is allowed 40 tasks, and many sessions use a disk
// that hangs. The program goes on and serves others, and everybody once the disk is back.
func TestThreat44FewTasks(t *testing.T) {
	t.Parallel()
	const most = 40
	group, root := pidsGroup(t, most), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "hung"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "fine"), []byte("content"), 0o644))
	l := serving(t, `>/dev/null 2>"$LOG"`, "--root", root, "--user", "other:p:ro")
	l.command.Args[2] = `echo $$ >"$GROUP/cgroup.procs" && ` + l.command.Args[2]
	log := filepath.Join(t.TempDir(), "log")
	l.command.Env = append(os.Environ(), "GROUP="+group, "LOG="+log)
	l.start()
	hungMount(t, filepath.Join(root, "hung"))
	var crowd []*talk
	for range 50 {
		c := login(t, l.network, "u")
		c.send("SIZE hung/file\r\n")
		crowd = append(crowd, c)
	}
	for range 10 {
		c := login(t, l.network, "other")
		got, code := c.get("RETR fine")
		assert.Equal(t, 226, code)
		assert.Equal(t, "content", string(got))
		assert.Equal(t, 213, c.do("SIZE fine"))
	}
	tasks, err := os.ReadFile(filepath.Join(group, "pids.current"))
	require.NoError(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(tasks)))
	require.NoError(t, err)
	assert.Less(t, n, most, "tasks")
	for _, c := range crowd[1:] {
		c.control.Close()
	}
	require.NoError(t, syscall.Unmount(filepath.Join(root, "hung"), syscall.MNT_DETACH|syscall.MNT_FORCE))
	assert.Contains(t, []int{550, 451}, crowd[0].reply().Code, "after the disk is gone")
	c := login(t, l.network, "u")
	assert.Equal(t, 213, c.do("SIZE fine"))
	l.stop()
	said, err := os.ReadFile(log)
	require.NoError(t, err)
	assert.NotContains(t, string(said), "failed to create new OS thread")
}
