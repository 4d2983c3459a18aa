package tests

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// lftp logs in and runs commands in one lftp. The first that fails ends it.
func (s *site) lftp(at netip.AddrPort, settings string, commands ...string) string {
	s.t.Helper()
	before := []string{
		"set cmd:fail-exit true", "set net:max-retries 2", "set net:timeout 20", "set net:reconnect-interval-base 1",
		"set ftp:ssl-allow false", "set xfer:clobber true", "set ftp:charset UTF-8", settings,
		fmt.Sprintf("open -u u,p -p %d ftp://%s", at.Port(), bracketed(at.Addr())),
	}
	return s.run(strings.Join(append(before, commands...), "\n")+"\n", "lftp", "--norc")
}

func bracketed(a netip.Addr) string {
	if a.Is4() {
		return a.String()
	}
	return "[" + a.String() + "]"
}

func TestClientLftp(t *testing.T) {
	t.Parallel()
	ways := map[string]string{
		"passive": "set ftp:passive-mode true",
		"PASV":    "set ftp:passive-mode true; set ftp:prefer-epsv false",
		"active":  "set ftp:passive-mode false",
		"MLSD":    "set ftp:use-mlsd true",
		"MODE Z":  "set ftp:use-mode-z true",
		"no STAT": "set ftp:use-stat false; set ftp:use-stat-for-list false",
	}
	for way, settings := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "lftp", "lftp")
			for family, at := range s.addresses() {
				s.offer(family + "/down")
				s.prepare(family + "/up")
				out := s.lftp(at, settings,
					"mirror "+family+"/down "+family+"/down",
					"mirror -R "+family+"/up "+family+"/up",
					"cls -1 "+family+"/up",
				)
				s.same(s.local(family + "/down"))
				s.same(s.remote(family + "/up"))
				for _, name := range names() {
					assert.Contains(t, out, name)
				}
				sameTimes(t, s.remote(family+"/down"), s.local(family+"/down"))
				sameTimes(t, s.remote(family+"/up"), s.local(family+"/up"))
			}
		})
	}
	t.Run("commands", func(t *testing.T) {
		t.Parallel()
		testLftpCommands(newSite(t, "lftp", "lftp"))
	})
}

// sameTimes checks that the samples in two directories have the same times. mirror sets
// them: on the client after MDTM, on the server by MFMT or SITE UTIME.
func sameTimes(t *testing.T, one, other string) {
	t.Helper()
	for _, name := range names() {
		a, err := os.Stat(one + "/" + name)
		assert.NoError(t, err)
		b, err := os.Stat(other + "/" + name)
		if assert.NoError(t, err) {
			assert.Equal(t, a.ModTime().Unix(), b.ModTime().Unix(), name)
		}
	}
}

// TestClientLftpListings: lftp passes options and patterns on as they are.
func TestClientLftpListings(t *testing.T) {
	t.Parallel()
	s := newSite(t, "lftp", "lftp")
	for i, name := range []string{"o/b", "o/c", "o/a", "o/deep/er/x.txt"} {
		s.put(s.remote(name), make([]byte, 10-i))
		assert.NoError(t, os.Chtimes(s.remote(name), past, past.Add(time.Duration(i)*time.Hour)))
	}
	for command, want := range map[string]string{
		"nlist -tr o/?": "o/b o/c o/a", "nlist -S o/?": "o/b o/c o/a",
		"nlist o/*/*/*.txt": "o/deep/er/x.txt", "nlist -r o": "o/deep o/c o/b o/a",
	} {
		assert.Equal(t, want, strings.Join(strings.Fields(s.lftp(s.IPv4, "", command)), " "), command)
	}
	assert.Regexp(t, "(?s) b\n.* c\n.* a\n.* deep\n\n./deep:\n.* er\n\n./deep/er:\n.* x.txt", s.lftp(s.IPv4, "", "ls -lRtr o"))
}

func testLftpCommands(s *site) {
	s.offer("d")
	large := samples["large.bin"]
	s.put(s.local("part.bin"), large[:70000])
	s.put(s.remote("part-up.bin"), large[:70000])
	s.put(s.local("large.bin"), large)
	s.put(s.remote("text"), []byte("a\nb\n"))
	s.put(s.local("text-up"), []byte("c\nd\n"))
	out := s.lftp(s.IPv4, "",
		"get -c d/large.bin -o part.bin",
		"put -c large.bin -o part-up.bin",
		"mget d/64k*.bin",
		"pget -n 3 d/large.bin -o parallel.bin",
		"mkdir -p new/deep",
		"mv d/64k.bin new/deep/moved.bin",
		"put large.bin -o 'new/a b.bin'",
		"chmod 600 new/deep/moved.bin",
		"ls d", "nlist d", "cls -l new", "find new",
		"get -a text -o text", "put -a text-up -o text-up",
		"cat d/one.bin",
		"rm d/64k-1.bin", "mrm d/64k+*.bin", "rmdir -f none || echo refused", "rm -r new/deep",
		"quote SYST", "quote NOOP",
	)
	s.content(s.local("part.bin"), large)
	s.content(s.remote("part-up.bin"), large)
	s.content(s.local("parallel.bin"), large)
	s.content(s.local("64k+1.bin"), samples["64k+1.bin"])
	s.content(s.local("64k-1.bin"), samples["64k-1.bin"])
	s.content(s.local("64k.bin"), samples["64k.bin"])
	s.content(s.remote("new/a b.bin"), large)
	s.content(s.local("text"), []byte("a\nb\n"))
	s.content(s.remote("text-up"), []byte("c\nd\n"))
	s.gone(s.remote("d/64k.bin"))
	s.gone(s.remote("d/64k-1.bin"))
	s.gone(s.remote("d/64k+1.bin"))
	s.gone(s.remote("new/deep"))
	assert.Contains(s.t, out, "215 UNIX")
	assert.Contains(s.t, out, "new/deep/moved.bin")
}
