package tests

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// site is a server on a folder, and the place where a real client runs: a home,
// which is its working directory too, with nothing of this machine's user in it.
type site struct {
	t testing.TB
	folder
	home string
}

// newSite starts a server for a client, or skips the test if that client is missing.
func newSite(t testing.TB, binary, debian string) *site {
	t.Helper()
	if _, err := exec.LookPath(binary); err != nil {
		t.Skipf("%s is not here; the Debian package %s has it", binary, debian)
	}
	return &site{t, dirPlace(t).(folder), t.TempDir()}
}

// clientTime is the longest that a client may run, retries included.
const clientTime = 60 * time.Second

// run runs a client and returns what it printed. It must succeed.
func (s *site) run(stdin string, command ...string) string {
	s.t.Helper()
	out, err := s.try(stdin, command...)
	require.NoError(s.t, err, "%q:\n%s", command, out)
	return out
}

func (s *site) try(stdin string, command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), clientTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	// A child that the client leaves behind must not keep its output open.
	cmd.WaitDelay = time.Second
	cmd.Dir = s.home
	cmd.Env = []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH"), "TERM=dumb", "LC_ALL=C.UTF-8", "TZ=UTC",
		"PYENV_ROOT=" + os.Getenv("PYENV_ROOT")}
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// samples are files of the sizes at which copying goes wrong.
var samples = map[string][]byte{
	"empty.bin":      {},
	"one.bin":        {'\n'},
	"64k-1.bin":      script.Bytes(64<<10 - 1),
	"64k.bin":        script.Bytes(64 << 10),
	"64k+1.bin":      script.Bytes(64<<10 + 1),
	"large.bin":      script.Bytes(5 << 20),
	"größe 世界 é.bin": script.Bytes(300),
}

// names are the names of the samples, sorted.
func names() []string { return slices.Sorted(maps.Keys(samples)) }

// fill puts samples into a directory.
func (s *site) fill(dir string) {
	s.t.Helper()
	require.NoError(s.t, os.MkdirAll(dir, 0o755))
	for name, content := range samples {
		require.NoError(s.t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	}
}

// offer makes samples in a directory of the server.
func (s *site) offer(dir string) {
	s.t.Helper()
	s.fill(filepath.Join(s.Root, dir))
}

// prepare makes samples in a directory of the client.
func (s *site) prepare(dir string) {
	s.t.Helper()
	s.fill(filepath.Join(s.home, dir))
}

// same checks that a directory of either side has all samples.
func (s *site) same(dir string) {
	s.t.Helper()
	for name, want := range samples {
		s.content(filepath.Join(dir, name), want)
	}
}

// content checks the content of a file. It compares hashes: a message with megabytes in
// it helps nobody.
func (s *site) content(path string, want []byte) {
	s.t.Helper()
	got, err := os.ReadFile(path)
	if assert.NoError(s.t, err) {
		assert.Equal(s.t, fmt.Sprintf("%d bytes %x", len(want), sha256.Sum256(want)),
			fmt.Sprintf("%d bytes %x", len(got), sha256.Sum256(got)), path)
	}
}

// put makes a file on either side.
func (s *site) put(path string, content []byte) {
	s.t.Helper()
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(s.t, os.WriteFile(path, content, 0o644))
}

func (s *site) remote(name string) string { return filepath.Join(s.Root, name) }
func (s *site) local(name string) string  { return filepath.Join(s.home, name) }

// gone checks that there is no such file.
func (s *site) gone(path string) {
	s.t.Helper()
	_, err := os.Lstat(path)
	assert.ErrorIs(s.t, err, os.ErrNotExist, path)
}

// addresses are the server's addresses, by family.
func (s *site) addresses() map[string]netip.AddrPort {
	all := map[string]netip.AddrPort{"IPv4": s.IPv4}
	if s.IPv6.IsValid() {
		all["IPv6"] = s.IPv6
	}
	return all
}

func TestClientCurl(t *testing.T) {
	t.Parallel()
	modes := map[string][]string{
		"EPSV": {},
		"PASV": {"--disable-epsv"},
		"EPRT": {"--ftp-port", "-"},
		"PORT": {"--ftp-port", "-", "--disable-eprt"},
	}
	for mode, options := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "curl", "curl")
			for family, at := range s.addresses() {
				if family == "IPv6" && (mode == "PASV" || mode == "PORT") {
					continue // PASV and PORT have no room for an IPv6 address
				}
				curl := append([]string{"curl", "-sS", "-g", "--fail", "--user", "u:p", "--ftp-create-dirs"}, options...)
				testCurlTransfers(s, curl, "ftp://"+at.String()+"/", family)
			}
		})
	}
	t.Run("commands", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, "curl", "curl")
		testCurlCommands(s, []string{"curl", "-sS", "-g", "--fail", "--user", "u:p"}, "ftp://"+s.IPv4.String()+"/")
	})
}

// testCurlTransfers downloads all samples with one curl, and uploads them with another.
func testCurlTransfers(s *site, curl []string, base, dir string) {
	s.t.Helper()
	s.offer(dir)
	down := slices.Clone(curl)
	up := slices.Clone(curl)
	for _, name := range names() {
		url := base + dir + "/" + urlEscape(name)
		down = append(down, url, "-o", dir+"-got/"+name)
		up = append(up, "-T", dir+"-got/"+name, base+dir+"-up/"+urlEscape(name))
	}
	require.NoError(s.t, os.Mkdir(s.local(dir+"-got"), 0o755))
	s.run("", down...)
	s.same(s.local(dir + "-got"))
	s.run("", up...)
	s.same(s.remote(dir + "-up"))
}

var urlEscape = strings.NewReplacer(" ", "%20", "+", "%2B", "ö", "%C3%B6", "ß", "%C3%9F", "世", "%E4%B8%96", "界",
	"%E7%95%8C", "é", "%C3%A9").Replace

// testCurlCommands does what curl can do besides transfers.
func testCurlCommands(s *site, curl []string, base string) {
	s.t.Helper()
	with := func(more ...string) []string { return append(slices.Clone(curl), more...) }
	s.offer(".")

	// Resume: REST down, APPE up.
	large := samples["large.bin"]
	s.put(s.local("part.bin"), large[:1<<20])
	s.run("", with("-C", "-", "-o", "part.bin", base+"large.bin")...)
	s.content(s.local("part.bin"), large)
	s.put(s.remote("part-up.bin"), large[:1<<20])
	s.run("", with("-C", fmt.Sprint(1<<20), "-T", "part.bin", base+"part-up.bin")...)
	s.content(s.remote("part-up.bin"), large)
	s.run("", with("-r", "100-199", "-o", "range.bin", base+"large.bin")...)
	s.content(s.local("range.bin"), large[100:200])
	s.run("", with("--append", "-T", "range.bin", base+"one.bin")...)
	s.content(s.remote("one.bin"), append([]byte{'\n'}, large[100:200]...))

	// Listing.
	listing := s.run("", with(base)...)
	nlst := s.run("", with("-l", base)...)
	for _, name := range names() {
		assert.Contains(s.t, listing, " "+name+"\n")
		assert.Contains(s.t, nlst, name+"\n")
	}

	// ASCII: curl converts the line ends.
	s.put(s.remote("text"), []byte("a\nb\n"))
	s.run("", with("--use-ascii", "-o", "text", base+"text")...)
	s.content(s.local("text"), []byte("a\nb\n"))
	s.run("", with("--use-ascii", "--crlf", "-T", "text", base+"text-up")...)
	s.content(s.remote("text-up"), []byte("a\nb\n"))

	// Commands, size and time.
	s.run("", with("-Q", "MKD made", "-Q", "RNFR 64k.bin", "-Q", "RNTO made/moved.bin", "-Q", "DELE 64k+1.bin",
		"-Q", "SITE CHMOD 600 made/moved.bin", base)...)
	s.content(s.remote("made/moved.bin"), samples["64k.bin"])
	s.gone(s.remote("64k+1.bin"))
	s.run("", with("-Q", "-DELE made/moved.bin", "-Q", "-RMD made", "-l", base)...)
	s.gone(s.remote("made"))
	head := s.run("", with("-I", base+"large.bin")...)
	assert.Contains(s.t, head, fmt.Sprintf("Content-Length: %d", len(large)))
	assert.Contains(s.t, head, "Last-Modified: ")

	_, err := s.try("", with(base+"none")...)
	assert.Error(s.t, err, "a missing file must fail")
}

func portText(a netip.AddrPort) string { return decimal(int(a.Port())) }
