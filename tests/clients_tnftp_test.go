package tests

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// tnftp runs commands in one tnftp, the ftp of NetBSD, macOS and Debian.
func (s *site) tnftp(at netip.AddrPort, commands ...string) string {
	s.t.Helper()
	before := []string{"open " + at.Addr().String() + " " + portText(at), "user u p", "binary", "prompt off"}
	return s.run(strings.Join(append(before, commands...), "\n")+"\nquit\n", "tnftp", "-n", "-v")
}

func TestClientTnftp(t *testing.T) {
	t.Parallel()
	ways := map[string][]string{
		"EPSV": {"passive on"},
		"PASV": {"passive on", "epsv4 off"},
		"EPRT": {"passive off"},
		"PORT": {"passive off", "epsv4 off"},
	}
	for way, settings := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "tnftp", "tnftp")
			for family, at := range s.addresses() {
				s.offer(family + "/down")
				s.prepare(family + "/up")
				s.tnftp(at, append(settings,
					"lcd "+s.home+"/"+family,
					"cd "+family, "mkdir up", "cd up", "lcd up", "mput *",
					"cd ../down", "lcd ..", "mget *")...)
				s.same(s.local(family))
				s.same(s.remote(family + "/up"))
			}
		})
	}
	t.Run("commands", func(t *testing.T) {
		t.Parallel()
		testTnftpCommands(newSite(t, "tnftp", "tnftp"))
	})
}

func testTnftpCommands(s *site) {
	large := samples["large.bin"]
	s.offer("d")
	s.put(s.local("part.bin"), large[:70000])
	s.put(s.remote("part.bin"), large)
	s.put(s.local("tail.bin"), nil) // it writes into a file that is there
	s.put(s.local("one"), []byte("1"))
	s.put(s.local("text"), []byte("a\nb\n"))
	out := s.tnftp(s.IPv4, "reget part.bin", "restart 5000000", "get d/large.bin tail.bin",
		"append one d/one.bin", "rename d/64k.bin d/moved.bin", "delete d/64k-1.bin",
		"mkdir new", "cd new", "pwd", "cdup", "rmdir new", "ls d", "nlist d", "mlsd d", "mlst d/one.bin", "dir d/64*",
		"size part.bin", "modtime part.bin", "chmod 600 part.bin", "features", "system", "rstatus",
		"ascii", "put text", "get text text2", "mdelete d/64*")
	s.content(s.local("part.bin"), large)
	s.content(s.remote("d/one.bin"), []byte("\n1"))
	s.content(s.remote("d/moved.bin"), samples["64k.bin"])
	s.gone(s.remote("d/64k-1.bin"))
	s.gone(s.remote("d/64k+1.bin"))
	s.gone(s.remote("new"))
	s.content(s.remote("text"), []byte("a\nb\n"))
	s.content(s.local("text2"), []byte("a\nb\n"))
	tail := make([]byte, 0, len(large))
	tail = append(append(tail, make([]byte, 5000000)...), large[5000000:]...)
	s.content(s.local("tail.bin"), tail)
	for _, name := range []string{"größe 世界 é.bin", "type=file;size=2;", "/new", "MDTM"} {
		assert.Contains(s.t, out, name)
	}
}
