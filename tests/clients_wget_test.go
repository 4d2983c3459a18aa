package tests

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wget only downloads.
func TestClientWget(t *testing.T) {
	t.Parallel()
	for way, option := range map[string]string{"passive": "--passive-ftp", "active": "--no-passive-ftp"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "wget", "wget")
			for family, at := range s.addresses() {
				testWget(s, option, at, family)
			}
		})
	}
}

func testWget(s *site, option string, at netip.AddrPort, dir string) {
	s.offer(dir + "/deep/er")
	minute := time.Now().Add(-time.Hour).Truncate(time.Minute) // LIST tells no seconds
	for _, name := range names() {
		require.NoError(s.t, os.Chtimes(s.remote(dir+"/deep/er/"+name), minute, minute))
	}
	wget := func(more ...string) string {
		s.t.Helper()
		return s.run("", append([]string{"wget", "-nv", "-t", "1", "-T", "20", "--user", "u", "--password", "p", option}, more...)...)
	}
	base := "ftp://" + at.String() + "/" + dir + "/"

	// A tree, with its times. Without nocontrol wget escapes some of UTF-8.
	mirror := []string{"--mirror", "--no-host-directories", "--restrict-file-names=nocontrol", base}
	assert.Contains(s.t, wget(mirror...), "Downloaded: ")
	s.same(s.local(dir + "/deep/er"))
	sameTimes(s.t.(*testing.T), s.remote(dir+"/deep/er"), s.local(dir+"/deep/er"))
	// Again, when one has changed.
	s.put(s.remote(dir+"/deep/er/one.bin"), []byte("two"))
	again := wget(mirror...)
	assert.Contains(s.t, again, "one.bin")
	assert.NotContains(s.t, again, "large.bin")
	s.content(s.local(dir+"/deep/er/one.bin"), []byte("two"))

	// Patterns, by LIST.
	wget("-P", dir+"-some", base+"deep/er/64k*.bin")
	for _, name := range []string{"64k-1.bin", "64k.bin", "64k+1.bin"} {
		s.content(s.local(dir+"-some/"+name), samples[name])
	}
	s.gone(s.local(dir + "-some/large.bin"))

	// Resumed, and from an offset.
	s.put(s.local(dir+"-part/large.bin"), samples["large.bin"][:70000])
	wget("-c", "-P", dir+"-part", base+"deep/er/large.bin")
	s.content(s.local(dir+"-part/large.bin"), samples["large.bin"])
	wget("--start-pos", "5000000", "-O", dir+"-tail", base+"deep/er/large.bin")
	s.content(s.local(dir+"-tail"), samples["large.bin"][5000000:])

	// A listing as a page, text, and what is not there.
	assert.Contains(s.t, wget("-O", "-", base+"deep/er/"), ">large.bin</a>  (5242880 bytes)")
	s.put(s.remote(dir+"/text"), []byte("a\nb\n"))
	wget("-O", dir+"-text", base+"text;type=a")
	s.content(s.local(dir+"-text"), []byte("a\r\nb\r\n"))
	_, err := s.try("", "wget", "-t", "1", option, base+"none")
	assert.Error(s.t, err, "a missing file must fail")
}

// busybox has two small clients, passive only.
func TestClientBusybox(t *testing.T) {
	t.Parallel()
	s := newSite(t, "busybox", "busybox")
	for family, at := range s.addresses() {
		s.offer(family)
		s.prepare(family)
		busybox := func(applet, option string, files ...string) {
			t.Helper()
			command := []string{"busybox", applet, option, "-u", "u", "-p", "p", "-P", portText(at), at.Addr().String()}
			s.run("", append(command, files...)...)
		}
		for _, name := range names() {
			busybox("ftpget", "-v", family+"/got-"+name, family+"/"+name)
			s.content(s.local(family+"/got-"+name), samples[name])
			busybox("ftpput", "-v", family+"/put-"+name, family+"/"+name)
			s.content(s.remote(family+"/put-"+name), samples[name])
		}
		s.put(s.local("part"), samples["large.bin"][:70000])
		busybox("ftpget", "-c", "part", family+"/large.bin")
		s.content(s.local("part"), samples["large.bin"])
	}
}

// The ftp of GNU, which is 4.3BSD's with IPv6.
func TestClientInetutils(t *testing.T) {
	t.Parallel()
	ways := map[string][]string{
		"PASV": {"passive"},
		"EPSV": {"passive", "epsv4"},
		"PORT": {},
		"EPRT": {"epsv4"},
	}
	for way, settings := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "inetutils-ftp", "inetutils-ftp")
			for family, at := range s.addresses() {
				if family == "IPv6" && (way == "PASV" || way == "PORT") {
					continue // it says EPSV and EPRT anyway
				}
				testInetutils(s, way, settings, at, family)
			}
		})
	}
}

func testInetutils(s *site, way string, settings []string, at netip.AddrPort, dir string) {
	s.offer(dir + "/down")
	s.prepare(dir + "/up")
	large := samples["large.bin"]
	s.put(s.local(dir+"/part.bin"), large[:70000])
	s.put(s.remote(dir+"/part.bin"), large)
	s.put(s.local(dir+"/text"), []byte("a\nb\n"))
	s.put(s.local(dir+"/one"), []byte("1"))
	commands := append([]string{"open " + at.Addr().String() + " " + portText(at), "user u p", "binary", "debug"}, settings...)
	commands = append(commands,
		"lcd "+dir, "cd "+dir, "mkdir up", "cd up", "lcd up", "mput *", "cdup", "cd down", "lcd ../", "mget *", "cdup", "pwd",
		"reget part.bin", "append one down/one.bin", "rename down/64k.bin moved.bin", "delete down/64k-1.bin", "mdelete down/64k*",
		"mkdir new", "rmdir new", "ls down", "nlist down", "size part.bin", "modtime part.bin", "chmod 600 part.bin",
		"idle 100", "umask",
		"system", "rstatus", "rhelp", "quote NOOP", "site help",
		"sunique", "put one", "sunique",
		"ascii", "put text", "get text text2", "delete none", "quit", "")
	out := s.run(strings.Join(commands, "\n"), "inetutils-ftp", "-n", "-v", "-i")
	assert.Contains(s.t, out, "---> "+way)
	assert.Contains(s.t, out, "größe 世界 é.bin")
	assert.Contains(s.t, out, "550 ")
	s.same(s.local(dir))
	s.same(s.remote(dir + "/up"))
	s.content(s.local(dir+"/part.bin"), large)
	s.content(s.remote(dir+"/down/one.bin"), []byte("\n1"))
	s.content(s.remote(dir+"/moved.bin"), samples["64k.bin"])
	s.gone(s.remote(dir + "/down/64k-1.bin"))
	s.gone(s.remote(dir + "/down/64k+1.bin"))
	s.gone(s.remote(dir + "/new"))
	s.content(s.remote(dir+"/text"), []byte("a\nb\n"))
	s.content(s.local(dir+"/text2"), []byte("a\nb\n"))
}
