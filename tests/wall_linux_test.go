package tests

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"wasiftp/tests/script"
)

// wallUser is the user that the tests of --run-as become.
func wallUser(t testing.TB) (uid, gid int) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	found, err := user.Lookup("nobody")
	if err != nil {
		t.Skipf("there is no other user: %v", err)
	}
	uid, err = strconv.Atoi(found.Uid)
	require.NoError(t, err)
	gid, err = strconv.Atoi(found.Gid)
	require.NoError(t, err)
	return uid, gid
}

// needLandlock skips a test if the kernel has no Landlock, or a too old one.
func needLandlock(t testing.TB) {
	t.Helper()
	abi, _, _ := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if int(abi) < 2 {
		t.Skip("the kernel has no Landlock that allows to rename from one folder to another")
	}
}

// wallPlace is a folder that others may enter. It belongs to the user nobody.
func wallPlace(t testing.TB) string {
	t.Helper()
	uid, gid := wallUser(t)
	dir, err := os.MkdirTemp("", "wall") // that of the test may be entered by its owner alone
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	root := filepath.Join(dir, "root")
	require.NoError(t, os.Mkdir(root, 0o755))
	require.NoError(t, os.Chown(root, uid, gid))
	return root
}

// wallCache is the cache of all servers that run as the user nobody.
var wallCache = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(temporary, "walled")
	return dir, os.Chmod(temporary, 0o711)
})

// walledProgram is a running wasiftpd, and its log.
type walledProgram struct {
	t       *testing.T
	command *exec.Cmd
	network script.Network
	log     *wallLog
}

// wallLog is a log that can be searched.
type wallLog struct {
	logged
}

func (j *wallLog) has(part string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(string(j.text), part)
}

// behindWalls serves as the user nobody until the test ends.
func behindWalls(t *testing.T, args ...string) *walledProgram {
	t.Helper()
	cache, err := wallCache()
	require.NoError(t, err)
	return serveProgram(t, append([]string{"--run-as", "nobody", "--cache-dir", cache}, args...)...)
}

// serveProgram serves until the test ends, at least at the first --listen, which it adds.
func serveProgram(t *testing.T, args ...string) *walledProgram {
	t.Helper()
	path, err := program()
	require.NoError(t, err)
	w := &walledProgram{t: t, command: exec.Command(path, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)}
	w.log = &wallLog{logged{t: t}}
	stdout, err := w.command.StdoutPipe()
	require.NoError(t, err)
	w.command.Stderr = w.log
	require.NoError(t, w.command.Start())
	t.Cleanup(func() {
		w.command.Process.Kill()
		w.command.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && lines.Text() != "Ctrl-C stops it." {
		first, _, _ := strings.Cut(lines.Text(), " ")
		u, err := url.Parse(first)
		at, noAddress := netip.ParseAddrPort(u.Host)
		switch {
		case err != nil || noAddress != nil:
		case at.Addr().Is6():
			w.network.IPv6 = at
		case !w.network.IPv4.IsValid():
			w.network.IPv4 = at
		}
	}
	require.True(t, w.network.IPv4.IsValid(), "it announces nothing")
	go io.Copy(io.Discard, stdout)
	return w
}

// says waits until the log has part.
func (w *walledProgram) says(part string) {
	w.t.Helper()
	eventually(w.t, "the log does not say "+part, func() bool { return w.log.has(part) })
}

// threads are the contents of the status files of all threads.
func (w *walledProgram) threads() (all []string) {
	w.t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", w.command.Process.Pid))
	require.NoError(w.t, err)
	for _, path := range paths {
		if content, err := os.ReadFile(path); err == nil { // threads end
			all = append(all, string(content))
		}
	}
	require.NotEmpty(w.t, all)
	return all
}

// putInPlace replaces a file by renaming another, as editors do.
func putInPlace(t testing.TB, path, content string, mode fs.FileMode) {
	t.Helper()
	require.NoError(t, os.WriteFile(path+".new", []byte(content), mode))
	require.NoError(t, os.Rename(path+".new", path))
}

// userLineOf is a line of a users file, for the password p.
func userLineOf(t testing.TB, name, root, rights string) string {
	t.Helper()
	path, err := program()
	require.NoError(t, err)
	command := exec.Command(path, "passwd", name, "--rights", rights, "--root", root)
	command.Stdin = strings.NewReader("p\n")
	line, err := command.Output()
	require.NoError(t, err)
	return string(line)
}

// wallCertificate is a certificate of a host, and its key, as PEM.
func wallCertificate(t testing.TB, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// TestThreat48PrivilegesAreGone: after the ports are open each thread is another
// user, with no groups of root, no capability and no way to one.
func TestThreat48PrivilegesAreGone(t *testing.T) {
	t.Parallel()
	root := wallPlace(t)
	uid, gid := wallUser(t)
	last := 0
	for name, as := range map[string]struct {
		who, groups string
	}{
		"user": {"nobody", ""}, "number": {strconv.Itoa(uid), ""},
		"user and group": {"nobody:daemon", ""}, "numbers without names": {"12321:12322", ""},
	} {
		last++
		low := fmt.Sprintf("127.0.48.%d:21", last)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if l, err := net.Listen("tcp", low); err != nil {
				t.Skipf("another program has port 21: %v", err)
			} else {
				l.Close()
			}
			w := serveProgram(t, "--run-as", as.who, "--cache-dir", "off", "--listen", low, "--root", root, "--user", "u:p:rw",
				"--passive-ports", "50000-59999")
			at, err := netip.ParseAddrPort(low)
			require.NoError(t, err)
			w.network.IPv4 = at
			wantUID, wantGID := uid, gid
			switch name {
			case "user and group":
				group, err := user.LookupGroup("daemon")
				require.NoError(t, err)
				wantGID, _ = strconv.Atoi(group.Gid)
			case "numbers without names":
				wantUID, wantGID = 12321, 12322
			}
			c := login(t, w.network, "u")
			c.get("LIST")
			four := func(id int) string { return strings.Join(slices.Repeat([]string{strconv.Itoa(id)}, 4), "\t") }
			for _, status := range w.threads() {
				for _, want := range []string{
					"Uid:\t" + four(wantUID), "Gid:\t" + four(wantGID), "Groups:\t" + as.groups, "NoNewPrivs:\t1",
					"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
					"CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000",
				} {
					assert.Contains(t, withoutBlanks(status), "\n"+want+"\n")
				}
			}
			// No other process of the user may look into it.
			info, err := os.Stat(fmt.Sprintf("/proc/%d/mem", w.command.Process.Pid))
			require.NoError(t, err)
			assert.EqualValues(t, 0, info.Sys().(*syscall.Stat_t).Uid, "it can be dumped")
		})
	}
}

// withoutBlanks removes the blanks at the ends of lines.
func withoutBlanks(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		name, value, _ := strings.Cut(lines[i], "\t")
		lines[i] = name + "\t" + strings.TrimSpace(value)
	}
	return strings.Join(lines, "\n")
}

// TestThreat48SupplementaryGroups: a user that is named without a group gets the groups
// of the system's user database, and not root's.
func TestThreat48SupplementaryGroups(t *testing.T) {
	t.Parallel()
	wallUser(t)
	users, err := os.ReadFile("/etc/group")
	require.NoError(t, err)
	for line := range strings.Lines(string(users)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 4 || fields[3] == "" {
			continue
		}
		member, err := user.Lookup(strings.Split(fields[3], ",")[0])
		if err != nil || member.Uid == "0" || member.Gid == fields[2] {
			continue
		}
		w := serveProgram(t, "--run-as", member.Username, "--cache-dir", "off", "--root", wallPlace(t))
		for _, status := range w.threads() {
			_, groups, _ := strings.Cut(status, "\nGroups:\t")
			groups, _, _ = strings.Cut(groups, "\n")
			assert.Contains(t, strings.Fields(groups), fields[2])
			assert.NotContains(t, strings.Fields(groups), "0")
		}
		return
	}
	t.Skip("no user here is in another group")
}

// TestThreat48BadUsers: a user that the program cannot become is an error before anybody
// is served.
func TestThreat48BadUsers(t *testing.T) {
	t.Parallel()
	root := wallPlace(t)
	path, err := program()
	require.NoError(t, err)
	for as, want := range map[string]string{
		"no-such-user": "no user no-such-user", "nobody:no-such-group": "no group no-such-group", "root": "root", "0:12": "root",
		"nobody:": "USER", ":daemon": "USER", "12321": "no user 12321",
	} {
		output, err := exec.Command(path, "--listen", "127.0.0.1:0", "--root", root, "--run-as", as).CombinedOutput()
		assert.Error(t, err, as)
		assert.Contains(t, string(output), "--run-as", as)
		assert.Contains(t, string(output), want, as)
		assert.Equal(t, 1, strings.Count(string(output), "\n"), string(output))
	}
	command := exec.Command(path, "--listen", "127.0.0.1:0", "--root", root, "--run-as", "daemon", "--cache-dir", "off")
	require.NoError(t, os.Chmod(filepath.Dir(path), 0o711))
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	output, err := command.CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(output), "only root can become another user")
	first, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if n, _ := strconv.Atoi(strings.TrimSpace(string(first))); err == nil && n <= 900 {
		return // as in some containers
	}
	output, err = exec.Command(path, "--listen", "127.0.0.1:0", "--root", root, "--run-as", "nobody", "--cache-dir", "off",
		"--passive-ports", "900-910").CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(output), "--passive-ports begins with 900")
}

// TestThreat48RootIsTold: the log warns if the server stays root.
func TestThreat48RootIsTold(t *testing.T) {
	t.Parallel()
	wallUser(t)
	w := serveProgram(t, "--root", t.TempDir(), "--cache-dir", filepath.Join(temporary, "program"))
	assert.True(t, w.log.has("the server stays root"))
	assert.False(t, behindWalls(t, "--root", wallPlace(t)).log.has("stays root"))
}

// nobodysFolder is a folder whose files belong to the user nobody, whoever makes them.
type nobodysFolder struct {
	folder
	uid, gid int
}

func (o nobodysFolder) give() error {
	return filepath.WalkDir(o.Root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, o.uid, o.gid)
	})
}

func (o nobodysFolder) WriteFile(name string, content []byte, mtime time.Time) error {
	if err := o.folder.WriteFile(name, content, mtime); err != nil {
		return err
	}
	return o.give()
}

func (o nobodysFolder) Mkdir(name string) error {
	if err := o.folder.Mkdir(name); err != nil {
		return err
	}
	return o.give()
}

// TestThreat48ConversationsBehindWalls: all conversations go as they do without walls.
func TestThreat48ConversationsBehindWalls(t *testing.T) {
	t.Parallel()
	uid, gid := wallUser(t)
	path, err := program()
	require.NoError(t, err)
	users := administrators(t, path)
	for _, s := range scripts(t) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			root := wallPlace(t)
			network := behindWalls(t, "--root", root, "--anonymous", "ro", "--user", "u:p:rw", "--user", "ro:p:ro", "--users", users,
				"--allow", "site-copy,site-symlink", "--allow", "site-rmdir,comb", "--atomic-uploads", "--listen", "[::1]:0").network
			world := nobodysFolder{folder{Network: network, Root: root}, uid, gid}
			for _, c := range s.Cases {
				t.Run(c.Title, func(t *testing.T) {
					require.NoError(t, world.Empty())
					c.Hold(t, world)
				})
			}
		})
	}
}

// TestThreat48TransfersBehindWalls: active and passive mode, uploads that replace a
// file, and renaming from one folder to another. What is made is the user's.
func TestThreat48TransfersBehindWalls(t *testing.T) {
	t.Parallel()
	uid, gid := wallUser(t)
	for _, atomic := range []bool{false, true} {
		t.Run(fmt.Sprint(atomic), func(t *testing.T) {
			t.Parallel()
			root := wallPlace(t)
			w := behindWalls(t, "--root", root, "--user", "u:p:rw", "--passive-ports", "40000-49999",
				"--allow", "site-copy,site-symlink", fmt.Sprintf("--atomic-uploads=%t", atomic), "--sync")
			c := login(t, w.network, "u")
			require.Equal(t, 226, c.store("STOR f", "old"))
			require.Equal(t, 226, c.store("STOR f", "bytes"))
			require.Equal(t, 226, c.store("APPE f", " and more"))
			require.Equal(t, 257, c.do("MKD d"))
			require.Equal(t, 257, c.do("MKD d/e"))
			require.Equal(t, 350, c.do("RNFR f"))
			require.Equal(t, 250, c.do("RNTO d/e/g"))
			require.Equal(t, 350, c.do("RNFR d/e"))
			require.Equal(t, 250, c.do("RNTO e"))
			require.Equal(t, 200, c.do("SITE CHMOD 640 e/g"))
			require.Equal(t, 213, c.do("MFMT 20200102030405 e/g"))
			require.Equal(t, 250, c.do("SITE SYMLINK e/g l"))
			require.Equal(t, 250, c.do("DELE l"))

			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			require.Equal(t, 200, c.do(fmt.Sprintf("EPRT |1|127.0.0.1|%d|", l.Addr().(*net.TCPAddr).Port)))
			require.Equal(t, 150, c.do("RETR e/g"))
			data, err := l.Accept()
			require.NoError(t, err)
			content, err := io.ReadAll(data)
			require.NoError(t, err)
			assert.Equal(t, "bytes and more", string(content))
			require.Equal(t, 226, c.reply().Code)

			for path, mode := range map[string]fs.FileMode{"e": fs.ModeDir | 0o755, "e/g": 0o640} {
				info, err := os.Stat(filepath.Join(root, path))
				require.NoError(t, err)
				owner := info.Sys().(*syscall.Stat_t)
				assert.EqualValues(t, uid, owner.Uid)
				assert.EqualValues(t, gid, owner.Gid)
				assert.Equal(t, mode, info.Mode())
			}
			require.Equal(t, 250, c.do("DELE e/g"))
			require.Equal(t, 250, c.do("RMD e"))
			require.NoError(t, w.command.Process.Signal(syscall.SIGTERM))
			require.Equal(t, 421, c.reply().Code)
			require.NoError(t, w.command.Wait())
		})
	}
}

// TestThreat48Reloads: users and certificates that are replaced are loaded again, at once
// and at SIGHUP. At the start the log names the files that the user can't read.
func TestThreat48Reloads(t *testing.T) {
	t.Parallel()
	needLandlock(t)
	uid, gid := wallUser(t)
	root := wallPlace(t)
	settings, secret := filepath.Join(filepath.Dir(root), "settings"), filepath.Join(filepath.Dir(root), "secret")
	require.NoError(t, os.Mkdir(settings, 0o755))
	require.NoError(t, os.Mkdir(secret, 0o700))
	users, vusers := filepath.Join(settings, "users"), filepath.Join(settings, "vusers")
	u := userLineOf(t, "u", "", "ro")
	putInPlace(t, users, u, 0o644)
	putInPlace(t, vusers, u, 0o644)
	cert, key := filepath.Join(settings, "cert.pem"), filepath.Join(settings, "key.pem")
	certs := func(name string) {
		certPEM, keyPEM := wallCertificate(t, name)
		putInPlace(t, cert, certPEM, 0o644)
		putInPlace(t, key, keyPEM, 0o600)
		require.NoError(t, os.Chown(key, uid, gid))
	}
	certs("first")
	hostCert, hostKey := wallCertificate(t, "files.example.org")
	putInPlace(t, filepath.Join(settings, "host.pem"), hostCert, 0o644)
	putInPlace(t, filepath.Join(secret, "key.pem"), hostKey, 0o600)

	vroot := filepath.Join(root, "virtual")
	require.NoError(t, os.Mkdir(vroot, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(vroot, "of-the-host"), nil, 0o644))
	clients := filepath.Join(settings, "clients.pem")
	issuer, _ := wallCertificate(t, "first issuer")
	putInPlace(t, clients, issuer, 0o644)
	w := behindWalls(t, "--root", root, "--users", users, "--tls-cert", cert, "--tls-key", key,
		"--tls-client-ca", clients, "--tls-client-auth", "login",
		"--host", "files.example.org,root="+vroot+",users="+vusers+
			",cert="+filepath.Join(settings, "host.pem")+",key="+filepath.Join(secret, "key.pem"))
	w.says("the user of --run-as can't read it")
	assert.True(t, w.log.has(filepath.Join(secret, "key.pem")))
	assert.False(t, w.log.has("the old "))

	c := login(t, w.network, "u")
	assert.Equal(t, 550, c.do("MKD new"))
	putInPlace(t, users, userLineOf(t, "u", "", "rw")+userLineOf(t, "later", "", "rw"), 0o644)
	w.says("users file loaded")
	c = login(t, w.network, "later")
	assert.Equal(t, 257, c.do("MKD new"))
	assert.Equal(t, 226, login(t, w.network, "u").store("STOR new/f", "content"))

	shown := func(name string) string {
		c := connect(t, w.network)
		require.Equal(t, 234, c.do("AUTH TLS"))
		secure := tls.Client(c.control.(net.Conn), &tls.Config{InsecureSkipVerify: true, ServerName: name})
		require.NoError(t, secure.Handshake())
		return secure.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	assert.Equal(t, "first", shown("other.example.org"))
	assert.Equal(t, "files.example.org", shown("files.example.org"))
	certs("second")
	w.says("certificate loaded")
	eventually(t, "the old certificate is shown", func() bool { return shown("other.example.org") == "second" })
	issuer, _ = wallCertificate(t, "second issuer")
	putInPlace(t, clients, issuer, 0o644)
	w.says("clients' CA loaded")
	require.NoError(t, w.command.Process.Signal(syscall.SIGHUP))
	w.says("the old certificate stays")

	c = connect(t, w.network)
	require.Equal(t, 220, c.do("HOST files.example.org"))
	require.Equal(t, 331, c.do("USER u"))
	require.Equal(t, 230, c.do("PASS p"))
	names, code := c.get("NLST")
	assert.Equal(t, 226, code)
	assert.Equal(t, "of-the-host\r\n", string(names))
}

// TestThreat48KeptFolders: the folder of self-signed certificates is given to the user,
// and the next start finds its content.
func TestThreat48KeptFolders(t *testing.T) {
	t.Parallel()
	root := wallPlace(t)
	state, cache := filepath.Join(filepath.Dir(root), "state"), filepath.Join(filepath.Dir(root), "cache")
	require.NoError(t, os.Mkdir(state, 0o755)) // as systemd makes them
	require.NoError(t, os.Mkdir(cache, 0o755))
	home := t.TempDir()
	require.NoError(t, os.Chmod(home, 0o700))
	path, err := program()
	require.NoError(t, err)
	start := func(args ...string) (said string) {
		command := exec.Command(path, append([]string{"--listen", "127.0.0.1:0", "--root", root, "--tls", "self-signed"}, args...)...)
		command.Env = []string{"HOME=" + home, "STATE_DIRECTORY=" + state, "CACHE_DIRECTORY=" + cache}
		lines := launch(t, command)
		for lines.Scan() && lines.Text() != "Ctrl-C stops it." {
			if strings.Count(lines.Text(), ":") == 31 {
				said = lines.Text()
			}
		}
		require.NotEmpty(t, said)
		require.NoError(t, command.Process.Signal(syscall.SIGTERM))
		for lines.Scan() {
		}
		return said
	}
	require.NoError(t, os.Chmod(state, 0o700))
	first := start("--run-as", "nobody")
	uid, _ := wallUser(t)
	for _, kept := range []string{state, filepath.Join(state, "self-signed.pem"), cache, filepath.Join(cache, "compiled")} {
		info, err := os.Stat(kept)
		require.NoError(t, err)
		assert.EqualValues(t, uid, info.Sys().(*syscall.Stat_t).Uid, kept)
	}
	assert.Equal(t, first, start("--run-as", "nobody"))

	// Files that root has kept there before are given too, but not those in a folder that
	// a flag names.
	require.NoError(t, filepath.WalkDir(state, func(path string, _ fs.DirEntry, _ error) error { return os.Chown(path, 0, 0) }))
	assert.Equal(t, first, start("--run-as", "nobody"))
	require.NoError(t, filepath.WalkDir(state, func(path string, _ fs.DirEntry, _ error) error { return os.Chown(path, 0, 0) }))
	output, err := exec.Command(path, "--listen", "127.0.0.1:0", "--root", root, "--run-as", "nobody", "--cache-dir", "off",
		"--tls", "self-signed", "--tls-dir", state).CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(output), "chown -R it")
	assert.Contains(t, string(output), "--tls-dir")
}

// TestThreat48RootsThatComeLater: a disk that is mounted, a folder that is made and a
// link that is switched while the server runs are served, as without a wall.
func TestThreat48RootsThatComeLater(t *testing.T) {
	t.Parallel()
	needLandlock(t)
	base := filepath.Dir(wallPlace(t))
	cache := filepath.Join(temporary, "program")
	at := func(name string) string { return filepath.Join(base, name) }
	for _, dir := range []string{"disk", "link", "made", "missing"} {
		require.NoError(t, os.Mkdir(at(dir), 0o755))
	}
	for _, dir := range []string{"link/a", "link/b", "made/root"} {
		require.NoError(t, os.Mkdir(at(dir), 0o755))
		require.NoError(t, os.WriteFile(at(dir)+"/file", []byte(dir), 0o644))
	}
	require.NoError(t, os.Symlink("a", at("link/current")))
	require.NoError(t, os.Remove(at("made/root")+"/file"))

	users := at("users")
	lines := userLineOf(t, "disk", at("disk"), "rw") + userLineOf(t, "link", at("link/current"), "rw") +
		userLineOf(t, "made", at("made/root"), "rw") + userLineOf(t, "missing", at("missing/x/y"), "rw")
	putInPlace(t, users, lines, 0o600)
	w := serveProgram(t, "--root", t.TempDir(), "--users", users, "--cache-dir", cache)
	w.says("files outside can't be opened")
	for _, name := range []string{"disk", "link", "made"} {
		require.Equal(t, 226, login(t, w.network, name).store("STOR f", "content"), name)
	}

	require.NoError(t, os.RemoveAll(at("made/root")))
	require.NoError(t, os.Mkdir(at("made/root"), 0o755))
	require.NoError(t, os.MkdirAll(at("missing/x/y"), 0o755))
	require.NoError(t, os.Symlink("b", at("link/new")))
	require.NoError(t, os.Rename(at("link/new"), at("link/current")))
	if err := unix.Mount("none", at("disk"), "tmpfs", 0, ""); err == nil {
		defer unix.Unmount(at("disk"), unix.MNT_DETACH)
	}
	for name, want := range map[string]string{
		"disk": "disk/g", "link": "link/b/g", "made": "made/root/g", "missing": "missing/x/y/g",
	} {
		require.Equal(t, 226, login(t, w.network, name).store("STOR g", "content"), name)
		assert.FileExists(t, at(want))
	}
}

// TestThreat48RootOutside: a folder outside of those known at the start, which a users
// file names while the server runs, is refused, and the log says what to do.
func TestThreat48RootOutside(t *testing.T) {
	t.Parallel()
	needLandlock(t)
	root := wallPlace(t)
	settings, other := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "file"), nil, 0o644)) // so that it is no mount point
	users := filepath.Join(settings, "users")
	putInPlace(t, users, userLineOf(t, "u", root, "rw"), 0o600)
	cache := filepath.Join(temporary, "program")
	for name, more := range map[string][]string{"wall": nil, "beside": {"--landlock", other}, "off": {"--landlock", "off"}} {
		w := serveProgram(t, append([]string{"--root", root, "--users", users, "--cache-dir", cache}, more...)...)
		putInPlace(t, users, userLineOf(t, "u", root, "rw")+userLineOf(t, "new", other, "rw"), 0o600)
		w.says("users file loaded")
		c := connect(t, w.network)
		require.Equal(t, 331, c.do("USER new"))
		if name != "wall" {
			require.Equal(t, 230, c.do("PASS p"), name)
			require.Equal(t, 226, c.store("STOR f", "content"), name)
			assert.Equal(t, name == "off", !w.log.has("Landlock"), name)
		} else {
			w.says("users of a folder are refused")
			assert.NotEqual(t, 230, c.do("PASS p"))
			w.says("restart the server")
			login(t, w.network, "u")
		}
		w.command.Process.Kill()
		putInPlace(t, users, userLineOf(t, "u", root, "rw"), 0o600)
	}
}
