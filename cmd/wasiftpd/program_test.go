package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"wasiftp/host"
)

// cacheDir is shared, and filled once: compiling the engine takes seconds.
var (
	cacheDir string
	warm     sync.Once
)

// asProgram is a variable that makes the tests' binary the program itself, for tests that need
// it in a process of its own.
const asProgram = "RUN_AS_WASIFTPD"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	dir, err := os.MkdirTemp("", "wasiftpd")
	if err != nil {
		panic(err)
	}
	cacheDir = dir
	os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	os.Setenv("WASIFTPD_ADMIN_SOCKET", "off") // all that run as root have the same usual one
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// spawn serves in a process of its own, until the test ends.
func spawn(t *testing.T, args ...string) (*running, *os.Process) {
	t.Helper()
	warmUp(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"--cache-dir", cacheDir, "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	s := &running{t: t, out: newOutput(), log: newOutput()}
	cmd.Stdout, cmd.Stderr = s.out, s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for line := range strings.Lines(s.out.until("Ctrl-C stops it.\n")) {
		if u, err := url.Parse(strings.Fields(line)[0]); err == nil && u.Scheme == "ftp" && s.addr == "" {
			s.addr = u.Host
		}
	}
	return s, cmd.Process
}

// run runs a command that ends by itself.
func run(t *testing.T, stdin io.Reader, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	none := func() <-chan os.Signal { return nil }
	p := program{stdin: stdin, stdout: &out, stderr: &errs, interrupts: none, hangups: none}
	code = p.run(args...)
	return code, out.String(), errs.String()
}

// running is a server that runs in the test's process.
type running struct {
	t        *testing.T
	out, log *output
	addr     string // of the first listener
	implicit string // of the first one for implicit TLS
	signal   chan os.Signal
	hangup   chan os.Signal
	exit     chan int
	process  *os.Process // nil: the test's own
}

// output collects what is written, and can be waited for.
type output struct {
	mu   sync.Mutex
	more *sync.Cond
	text strings.Builder
}

func newOutput() *output {
	o := &output{}
	o.more = sync.NewCond(&o.mu)
	return o
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.more.Broadcast()
	return o.text.Write(p)
}

// ended is written when a server has ended, so that [output.until] waits no longer.
const ended = "\x00"

// until waits for part, or the server's end, and returns all that was written.
func (o *output) until(part string) string { return o.untilTimes(part, 1) }

// untilTimes is until for the nth time that part is written.
func (o *output) untilTimes(part string, n int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		if text := o.text.String(); strings.Count(text, part) >= n || strings.Contains(text, ended) {
			return text
		}
		o.more.Wait()
	}
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start serves on a free port until the test ends.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	return program{}.start(t, append([]string{"--listen", "127.0.0.1:0"}, args...)...)
}

// warmUp fills the cache of compiled code.
func warmUp(t *testing.T) {
	t.Helper()
	warm.Do(func() {
		server, err := host.New(host.Config{CacheDir: cacheDir})
		if err != nil {
			t.Fatal(err)
		}
		server.Close()
	})
}

func (p program) start(t *testing.T, args ...string) *running {
	t.Helper()
	warmUp(t)
	s := &running{
		t: t, out: newOutput(), log: newOutput(),
		signal: make(chan os.Signal, 2), hangup: make(chan os.Signal), exit: make(chan int, 1),
	}
	p.stdin, p.stdout, p.stderr = strings.NewReader(""), s.out, s.log
	p.interrupts = func() <-chan os.Signal { return s.signal }
	p.hangups = func() <-chan os.Signal { return s.hangup }
	go func() {
		code := p.run(append([]string{"--cache-dir", cacheDir}, args...)...)
		s.out.Write([]byte(ended))
		s.log.Write([]byte(ended))
		s.exit <- code
	}()
	s.findAddresses()
	if s.addr+s.implicit == "" {
		t.Fatalf("no address was announced; log:\n%s", s.log)
	}
	t.Cleanup(func() {
		s.interrupt()
		s.interrupt()
		<-s.exit
	})
	return s
}

// interrupt is Ctrl-C: as of the system, one that nobody waits for is lost.
func (s *running) interrupt() {
	select {
	case s.signal <- os.Interrupt:
	default:
	}
}

// findAddresses waits until the server has announced its addresses, or ended.
func (s *running) findAddresses() {
	for line := range strings.Lines(s.out.until("Ctrl-C stops it.\n")) {
		u, err := url.Parse(strings.Fields(line)[0])
		switch {
		case err == nil && u.Scheme == "ftp" && s.addr == "":
			s.addr = u.Host
		case err == nil && u.Scheme == "ftps" && s.implicit == "":
			s.implicit = u.Host
		}
	}
}

// wait returns the exit code of a server that was told to stop.
func (s *running) wait() int {
	code := <-s.exit
	s.exit <- code // for the cleanup
	return code
}

// tool finds a program that a test needs.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Skipf("%s is not here; .ci/run names the packages that the tests need", name)
	return ""
}

// dialogue is a control connection.
type dialogue struct {
	*textproto.Conn
	t *testing.T
}

func (s *running) dial() dialogue {
	s.t.Helper()
	c, err := textproto.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	d := dialogue{c, s.t}
	d.expect(220)
	return d
}

// dialTLS connects by implicit TLS.
func (s *running) dialTLS(config *tls.Config) dialogue {
	s.t.Helper()
	c, err := tls.Dial("tcp", s.implicit, config)
	if err != nil {
		s.t.Fatal(err)
	}
	d := dialogue{textproto.NewConn(c), s.t}
	s.t.Cleanup(func() { d.Close() })
	d.expect(220)
	return d
}

func (d dialogue) expect(code int) string {
	d.t.Helper()
	_, text, err := d.ReadResponse(code)
	if err != nil {
		d.t.Fatal(err)
	}
	return text
}

func (d dialogue) do(code int, command string) string {
	d.t.Helper()
	if err := d.PrintfLine("%s", command); err != nil {
		d.t.Fatal(err)
	}
	return d.expect(code)
}

func (d dialogue) login(user, password string) {
	d.t.Helper()
	d.do(331, "USER "+user)
	d.do(230, "PASS "+password)
}

// data opens a passive data connection.
func (d dialogue) data(addr string) *net.TCPConn {
	d.t.Helper()
	text := d.do(229, "EPSV")
	_, port, ok := strings.Cut(text, "(|||")
	port, _, _ = strings.Cut(port, "|")
	host, _, err := net.SplitHostPort(addr)
	if !ok || err != nil {
		d.t.Fatalf("%q names no port", text)
	}
	c, err := net.Dial("tcp", net.JoinHostPort(host, port))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// write writes a file, and returns its path.
func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
