package tests

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
)

// ncftp knows IPv4 only.
func TestClientNcftp(t *testing.T) {
	t.Parallel()
	for way, option := range map[string]string{"passive": "-F", "active": "-E"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "ncftpget", "ncftp")
			testNcftpPrograms(s, option)
		})
	}
	t.Run("commands", func(t *testing.T) {
		t.Parallel()
		testNcftpCommands(newSite(t, "ncftp", "ncftp"))
	})
}

func testNcftpPrograms(s *site, option string) {
	login := []string{"-V", "-d", "debug", "-t", "20", "-r", "0", "-u", "u", "-p", "p", "-P", portText(s.IPv4), option}
	program := func(name string, more ...string) string {
		s.t.Helper()
		return s.run("", append(append([]string{name}, login...), more...)...)
	}
	host := s.IPv4.Addr().String()
	s.offer("d")
	s.prepare("up")
	s.put(s.local("got/part.bin"), samples["large.bin"][:70000])
	s.put(s.remote("part.bin"), samples["large.bin"])

	program("ncftpget", host, "got", "/d/*.bin") // by NLST
	s.same(s.local("got"))
	program("ncftpget", "-R", host, "tree", "/d") // by LIST or MLSD
	s.same(s.local("tree/d"))
	program("ncftpget", "-z", host, "got", "/part.bin") // resumed
	s.content(s.local("got/part.bin"), samples["large.bin"])

	program("ncftpput", "-R", "-m", host, "/new", "up")
	s.same(s.remote("new/up"))
	s.put(s.local("more"), []byte("more"))
	program("ncftpput", "-A", host, "/d", "more")
	program("ncftpput", "-A", host, "/d", "more")
	s.content(s.remote("d/more"), []byte("moremore"))
	s.put(s.local("text"), []byte("a\nb\n"))
	program("ncftpput", "-a", host, "/", "text")
	s.content(s.remote("text"), []byte("a\nb\n"))

	login = []string{"-t", "20", "-r", "0", "-u", "u", "-p", "p", "-P", portText(s.IPv4), option}
	plain := program("ncftpls", "ftp://"+host+"/d/")
	long := program("ncftpls", "-l", "ftp://"+host+"/d/")
	deep := program("ncftpls", "-R", "ftp://"+host+"/")
	for _, name := range names() {
		assert.Contains(s.t, plain, name)
		assert.Contains(s.t, long, name)
		assert.Contains(s.t, deep, name)
	}
	s.put(s.remote("old/b"), nil)
	s.put(s.remote("old/a"), nil)
	assert.NoError(s.t, os.Chtimes(s.remote("old/b"), past, past))
	assert.Regexp(s.t, `(?s) b\s.* a\s*$`, program("ncftpls", "-x", "lrt", "ftp://"+host+"/old/"))
}

func testNcftpCommands(s *site) {
	s.offer("d")
	out := s.run("cd d\nmkdir new\nrename 64k.bin new/moved.bin\nrm 64k-1.bin\nmget 64k*\nls -l\nls\ncd new\npwd\n"+
		"chmod 600 moved.bin\nrm moved.bin\ncd ..\nrmdir new\nsite help\nquit\n",
		"ncftp", "-u", "u", "-p", "p", "-P", portText(s.IPv4), s.IPv4.Addr().String())
	assert.Contains(s.t, out, "large.bin")
	assert.Contains(s.t, out, "/d/new")
	s.content(s.local("64k+1.bin"), samples["64k+1.bin"])
	s.gone(s.remote("d/64k-1.bin"))
	s.gone(s.remote("d/64k.bin"))
	s.gone(s.remote("d/new"))
}
