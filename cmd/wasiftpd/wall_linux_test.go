package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/caddyserver/certmagic"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

// trial is what a process behind a wall is to do. The test's own process can't be behind
// one, because it could not come out again.
type trial struct {
	Args      []string
	ACMERoot  []byte // a certificate
	HTTPPort  int
	TLSPort   int
	Challenge string
}

// trialVariable is the environment variable with the trial of such a process.
const trialVariable = "WASIFTPD_TRIAL"

// trialThreads is how many threads try to open a file. Half of them are started before
// the wall.
const trialThreads = 40

// TestWallTrial is no test but the process of [behindWalls]: the program, whose
// threads open the files that stdin names.
func TestWallTrial(t *testing.T) {
	plan := os.Getenv(trialVariable)
	if plan == "" {
		t.Skip("other tests run it")
	}
	var try trial
	if err := json.Unmarshal([]byte(plan), &try); err != nil {
		t.Fatal(err)
	}
	early := newOpeners(trialThreads / 2)
	none := func() <-chan os.Signal { return nil }
	p := program{
		stdin: strings.NewReader(""), stdout: os.Stdout, stderr: os.Stderr, interrupts: none, hangups: none,
		enclose: enclose, root: os.Geteuid() == 0, tuneACME: try.tune,
	}
	go func() { os.Exit(p.run(try.Args...)) }()
	lines := bufio.NewScanner(os.Stdin)
	var late openers
	for lines.Scan() {
		if late == nil {
			late = newOpeners(trialThreads - len(early))
		}
		refused := early.refused(lines.Text()) + late.refused(lines.Text())
		fmt.Printf("refused %d %s\n", refused, lines.Text())
	}
	os.Exit(0)
}

func (try *trial) tune(issuer *certmagic.ACMEIssuer) {
	issuer.TrustedRoots = x509.NewCertPool()
	issuer.TrustedRoots.AppendCertsFromPEM(try.ACMERoot)
	issuer.ListenHost = "127.0.0.1"
	issuer.AltHTTPPort, issuer.AltTLSALPNPort = try.HTTPPort, try.TLSPort
	issuer.DisableHTTPChallenge, issuer.DisableTLSALPNChallenge = try.Challenge == "tls", try.Challenge == "http"
}

// openers are threads that open files.
type openers []chan opening

type opening struct {
	path string
	err  chan error
}

// newOpeners starts goroutines that have a thread each.
func newOpeners(n int) openers {
	all := make(openers, n)
	var running sync.WaitGroup
	for i := range all {
		all[i] = make(chan opening)
		running.Add(1)
		go func() {
			runtime.LockOSThread()
			running.Done()
			for o := range all[i] {
				f, err := os.Open(o.path)
				if err == nil {
					f.Close()
				}
				o.err <- err
			}
		}()
	}
	running.Wait()
	return all
}

// refused is how many of the threads may not open a file.
func (all openers) refused(path string) (n int) {
	for _, one := range all {
		o := opening{path, make(chan error)}
		one <- o
		if errors.Is(<-o.err, fs.ErrPermission) {
			n++
		}
	}
	return n
}

// tried is a process of [TestWallTrial].
type tried struct {
	t        *testing.T
	log      *output
	in       io.Writer
	out      *bufio.Scanner
	process  *os.Process
	addr     string
	implicit string
}

// behindWalls runs the program behind a wall, in a process of its own, until the test ends.
func behindWalls(t *testing.T, try trial) *tried {
	t.Helper()
	try.Args = append([]string{"--listen", "127.0.0.1:0", "--cache-dir", cacheDir}, try.Args...)
	plan, err := json.Marshal(try)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(os.Args[0], "-test.run=^TestWallTrial$")
	command.Env = append(os.Environ(), trialVariable+"="+string(plan))
	s := &tried{t: t, log: newOutput()}
	command.Stderr = s.log
	if s.in, err = command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s.process = command.Process
	t.Cleanup(func() {
		s.process.Kill()
		command.Wait()
		s.log.Write([]byte(ended))
		if t.Failed() {
			t.Logf("the log:\n%s", s.log)
		}
	})
	s.out = bufio.NewScanner(stdout)
	for s.out.Scan() && s.out.Text() != "Ctrl-C stops it." {
		first, _, _ := strings.Cut(s.out.Text(), " ")
		if addr, found := strings.CutPrefix(first, "ftp://"); found && s.addr == "" {
			s.addr = strings.TrimSuffix(addr, "/")
		}
		if addr, found := strings.CutPrefix(first, "ftps://"); found {
			s.implicit = strings.TrimSuffix(addr, "/")
		}
	}
	if s.addr == "" {
		t.Fatalf("it announces nothing; log:\n%s", s.log)
	}
	return s
}

// refused is how many threads may not open a file.
func (s *tried) refused(path string) (n int) {
	s.t.Helper()
	fmt.Fprintln(s.in, path)
	if !s.out.Scan() {
		s.t.Fatalf("the process has ended; log:\n%s", s.log)
	}
	if _, err := fmt.Sscanf(s.out.Text(), "refused %d ", &n); err != nil {
		s.t.Fatalf("it says %q", s.out.Text())
	}
	return n
}

// needLandlock skips a test where the kernel restricts nothing.
func needLandlock(t *testing.T) {
	t.Helper()
	if abi, err := llsys.LandlockGetABIVersion(); err != nil || abi < 2 {
		t.Skipf("the kernel has no Landlock that allows to rename from one folder to another: %d, %v", abi, err)
	}
}

// wallFolder is a folder that another user may enter.
func wallFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wall")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// No thread can open a file outside of the wall, whatever the user of the process. All
// can open the files within it.
func TestThreat48FileOutside(t *testing.T) {
	t.Parallel()
	needLandlock(t)
	dir := wallFolder(t)
	root, settings := filepath.Join(dir, "root"), filepath.Join(dir, "settings")
	if err := errors.Join(os.Mkdir(root, 0o755), os.Mkdir(settings, 0o755)); err != nil {
		t.Fatal(err)
	}
	within := write(t, root, "file", "")
	users := write(t, settings, "users", "bob:"+bcryptHash4+":"+root+":rw\n")
	outside := write(t, dir, "outside", "")
	for _, file := range []string{within, users, outside} {
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, as := range map[string][]string{
		"as it is": nil, "as nobody": {"--run-as", "nobody", "--cache-dir", filepath.Join(dir, "cache")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if as != nil && os.Geteuid() != 0 {
				t.Skip("only root can become another user")
			}
			s := behindWalls(t, trial{Args: append([]string{"--root", root, "--users", users}, as...)})
			for path, want := range map[string]int{
				within: 0, users: 0, settings: 0, root: 0,
				outside: trialThreads, dir: trialThreads, "/etc/shadow": trialThreads, "/etc/passwd": trialThreads, "/": trialThreads,
				"/proc/self/environ": trialThreads, root + "/../outside": trialThreads, os.Args[0]: trialThreads,
			} {
				if got := s.refused(path); got != want {
					t.Errorf("%d of %d threads may not open %s, not %d", got, trialThreads, path, want)
				}
			}
			text := s.log.until("Landlock")
			if strings.Count(text, "Landlock") != 1 {
				t.Errorf("the log does not tell of the wall once:\n%s", text)
			}
		})
	}
	t.Run("without a wall", func(t *testing.T) {
		t.Parallel()
		s := behindWalls(t, trial{Args: []string{"--root", root, "--landlock", "off"}})
		if got := s.refused(outside); got != 0 {
			t.Errorf("%d threads may not open a file", got)
		}
	})
}

// The process itself can't write to a folder that is served read-only, by flags alone.
func TestThreat48ReadOnlyRoot(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	reads, writes := filepath.Join(dir, "reads"), filepath.Join(dir, "writes")
	for _, root := range []string{reads, writes} {
		if err := os.Mkdir(root, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, root, "file", "")
	}
	users := write(t, dir, "users", "alice:"+bcryptHash4+":"+reads+":ro\n")
	for _, test := range []struct {
		args         []string
		read, change string
	}{
		{[]string{"--root", reads, "--user", "bob:secret:ro", "--host", "a.example.org,root=" + writes + ",anonymous=wo"},
			reads, writes},
		{[]string{"--root", reads, "--anonymous", "ro", "--users", users}, "", reads}, // whose users may become writers
	} {
		o := parse(t, test.args...)
		r, err := o.roster(t.Context(), &follower{logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		w := o.wall(r, &follower{})
		if read, change := strings.Join(w.read, " "), strings.Join(w.change, " "); read != test.read || change != test.change {
			t.Errorf("%q: %q can be read and %q changed", test.args, read, change)
		}
	}
}

// Both challenges are answered and certificates kept behind the walls, at ports below
// 1024 that the user may not open.
func TestThreat48ACME(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	for _, challenge := range []string{"http", "tls"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			httpPort, tlsPort := lowPort(t), lowPort(t)
			quiet, store := log.New(io.Discard, "", 0), db.NewMemoryStore()
			authority := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {}})
			front := wfe.New(quiet, store, va.New(quiet, httpPort, tlsPort, false, names(t), store), authority, nil, false, false, 0, 0)
			handler, walled := front.Handler(), make(chan struct{})
			pebble := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				<-walled
				handler.ServeHTTP(w, r)
			}))
			defer pebble.Close()
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(authority.GetRootCert(0).PEM())
			dir := wallFolder(t)
			root := filepath.Join(dir, "root")
			if err := os.Mkdir(root, 0o755); err != nil {
				t.Fatal(err)
			}
			host := "wall-" + challenge + ".example.org"
			for again := range 2 {
				s := behindWalls(t, trial{
					Args: []string{"--root", root, "--run-as", "nobody", "--tls-acme", host,
						"--tls-acme-ca", pebble.URL + wfe.DirectoryPath, "--tls-dir", filepath.Join(dir, "kept"),
						"--cache-dir", filepath.Join(dir, "cache"), "--implicit-listen", "127.0.0.1:0"},
					ACMERoot: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pebble.Certificate().Raw}),
					HTTPPort: httpPort, TLSPort: tlsPort, Challenge: challenge,
				})
				if again == 0 {
					close(walled)
				}
				if text := s.log.until("certificate loaded"); !strings.Contains(text, "certificate loaded") {
					t.Fatal("no certificate is issued")
				}
				c, err := tls.Dial("tcp", s.implicit, &tls.Config{RootCAs: roots, ServerName: host})
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				pebble.Close()
				s.close()
			}
		})
	}
}

// close ends the process.
func (s *tried) close() {
	s.t.Helper()
	s.in.(io.Closer).Close()
	for s.out.Scan() {
	}
}

// Nobody else gets an answer at the ports for ACME, nor a line in the log.
func TestThreat48ChallengePorts(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	httpPort, tlsPort := lowPort(t), lowPort(t)
	dir := wallFolder(t)
	s := behindWalls(t, trial{
		Args: []string{"--root", dir, "--run-as", "nobody", "--tls-acme", "a.example.org", "--tls-acme-ca", "https://127.0.0.1:1/dir",
			"--tls-dir", filepath.Join(dir, "kept"), "--cache-dir", "off"},
		HTTPPort: httpPort, TLSPort: tlsPort,
	})
	before := strings.Count(s.log.String(), "challenge")
	c, err := textproto.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", httpPort))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.PrintfLine("GET /.well-known/acme-challenge/abc HTTP/1.1\r\nHost: a.example.org\r\n")
	if line, err := c.ReadLine(); !strings.Contains(line, "404") {
		t.Errorf("%q, %v", line, err)
	}
	for _, protocols := range [][]string{nil, {"acme-tls/1"}} {
		config := &tls.Config{InsecureSkipVerify: true, ServerName: "a.example.org", NextProtos: protocols}
		c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", tlsPort), config)
		if err == nil {
			c.Close()
			t.Errorf("there is a certificate for %q", protocols)
		}
	}
	if after := strings.Count(s.log.String(), "challenge"); after != before {
		t.Errorf("strangers write into the log:\n%s", s.log)
	}
}

// lowPort is a free port that only root may open.
func lowPort(t *testing.T) int {
	t.Helper()
	for port := 600 + os.Getpid()%300; port < 1024; port++ {
		if _, taken := lowPorts.LoadOrStore(port, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Skip("no port below 1024 is free")
	return 0
}

var lowPorts sync.Map

// The folder above a root is within the wall if another folder may take the root's place,
// and if it is not one that others use.
func TestSurroundings(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a/full", "a/empty", "a/mounted", "b/target"} {
		if err := os.MkdirAll(at(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, at("a/full"), "file", "")
	write(t, at("b/target"), "file", "")
	if err := errors.Join(os.Symlink("../b/target", at("a/link")), syscall.Mkfifo(at("a/pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for root, want := range map[string]string{
		at("a/full"): at("a/full"), at("a/empty"): at("a/empty") + " " + at("a"), at("a/link"): at("b/target") + " " + at("b"),
		at("a/missing"): at("a"), at("a/missing/x/y"): at("a"), at("a/empty/x"): at("a/empty") + " " + at("a"),
		at("a/pipe"): at("a/pipe"),
		"/":          "/", "/var": "/var", "/no such folder": "", "/var/no such folder/x": "",
	} {
		if got := strings.Join(surroundings(root), " "); got != want {
			t.Errorf("%s has %q, not %q", root, got, want)
		}
	}
	if err := syscall.Mount("none", at("a/mounted"), "tmpfs", 0, ""); err != nil {
		t.Skipf("no disk can be mounted here: %v", err)
	}
	defer syscall.Unmount(at("a/mounted"), syscall.MNT_DETACH)
	write(t, at("a/mounted"), "file", "")
	if got := strings.Join(surroundings(at("a/mounted")), " "); got != at("a/mounted")+" "+at("a") {
		t.Errorf("a disk has %q", got)
	}
}

// If the kernel has no Landlock, or a folder hangs, the server says so once and serves.
func TestNoWall(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	logger := newLogger(&text, "text")
	r := &roster{slow: true}
	r.current.Store(&accounts{})
	p := program{enclose: func(wall) error { return errors.New("not here") }}
	p.raise(&options{}, r, &follower{logger: logger})
	r.slow = false
	p.raise(&options{}, r, &follower{logger: logger})
	p.raise(&options{walled: wallOptions{off: true}}, r, &follower{logger: logger})
	if lines := strings.Count(text.String(), "files outside can be opened"); lines != 2 || strings.Count(text.String(), "\n") != 2 {
		t.Errorf("%d lines:\n%s", lines, &text)
	}
	if r.walled {
		t.Error("there is a wall")
	}
}

// Behind a wall a program that is asked about users runs, with the system's other programs,
// but it sees no more than the server does.
func TestAuthProgramBehindWall(t *testing.T) {
	t.Parallel()
	needLandlock(t)
	root, outside := t.TempDir(), write(t, wallFolder(t), "outside", "")
	program := shellProgram(t, `cat >/dev/null
cat "`+outside+`" >/dev/null 2>&1 && exit 7
ls /usr/bin/env >/dev/null || exit 8
echo '{"result": "ok"}'
`)
	tried := behindWalls(t, trial{Args: []string{"--root", root, "--auth-program", program}})
	d := (&running{t: t, addr: tried.addr, log: tried.log}).dial()
	d.login("ann", "secret")
}

// Behind a wall the server opens a database anew, with its journal.
func TestAuthSQLiteBehindWall(t *testing.T) {
	t.Parallel()
	needLandlock(t)
	tried := behindWalls(t, trial{Args: []string{"--root", t.TempDir(), "--auth-sql", "sqlite:" + newSQLite(t)}})
	d := (&running{t: t, addr: tried.addr, log: tried.log}).dial()
	d.login("ann", "secret")
}
