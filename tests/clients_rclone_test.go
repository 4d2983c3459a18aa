package tests

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// rclone is passive only.
func TestClientRclone(t *testing.T) {
	t.Parallel()
	for way, option := range map[string]string{"EPSV": "--ftp-disable-epsv=false", "PASV": "--ftp-disable-epsv",
		"no MLSD": "--ftp-disable-mlsd"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "rclone", "rclone")
			testRclone(s, option)
		})
	}
}

func testRclone(s *site, option string) {
	password := strings.TrimSpace(s.run("", "rclone", "obscure", "p"))
	rclone := func(command ...string) string {
		s.t.Helper()
		return s.run("", append([]string{"rclone", "--config", "/dev/null", "--retries", "1", "--low-level-retries", "2",
			"--ftp-host", s.IPv4.Addr().String(), "--ftp-port", portText(s.IPv4), "--ftp-user", "u", "--ftp-pass", password, option},
			command...)...)
	}
	s.offer("d/deep")
	s.prepare("up")
	rclone("copy", ":ftp:d", "got")
	s.same(s.local("got/deep"))
	rclone("sync", "up", ":ftp:new/up")
	s.same(s.remote("new/up"))
	if option != "--ftp-disable-mlsd" { // LIST tells no seconds
		sameTimes(s.t.(*testing.T), s.local("up"), s.remote("new/up"))
	}
	rclone("check", "--download", "up", ":ftp:new/up")

	listing := rclone("lsl", ":ftp:")
	for _, name := range names() {
		assert.Contains(s.t, listing, "new/up/"+name)
	}
	assert.Contains(s.t, rclone("lsd", ":ftp:"), " new\n")
	rclone("moveto", ":ftp:new/up/one.bin", ":ftp:moved.bin")
	s.content(s.remote("moved.bin"), samples["one.bin"])
	s.gone(s.remote("new/up/one.bin"))
	rclone("moveto", ":ftp:new/up", ":ftp:other")
	s.content(s.remote("other/large.bin"), samples["large.bin"])
	rclone("deletefile", ":ftp:moved.bin")
	s.gone(s.remote("moved.bin"))
	rclone("mkdir", ":ftp:a/b")
	rclone("rmdirs", ":ftp:a")
	s.gone(s.remote("a"))
	rclone("purge", ":ftp:other")
	s.gone(s.remote("other"))
}
