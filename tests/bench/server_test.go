//go:build linux

// Package bench measures the server against native Go code that does the same without an
// engine, a sandbox or a session. The results are ratios, with both sides measured in the
// same run.
package bench

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/host/quota"
)

// role makes the test binary a server instead: each side is a process of its
// own, so that its processor time and memory can be told from the client's.
const role = "WASIFTP_BENCH_SERVER"

// slowFolder names the environment variable that gives the folder of the user "slow" to the
// engine's process; without it "slow" has the same folder as everyone.
const slowFolder = "WASIFTP_BENCH_SLOW"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "engine":
		serve(host.Listen, engineServer)
	case "native":
		serve(net.Listen, nativeServer)
	default:
		os.Exit(m.Run())
	}
}

// serve runs a server on the folder named by the first argument. It prints its address,
// then the number of its goroutines for every line it reads. At "give back" free memory goes
// back to the system, as the program has it in quiet times.
func serve(listen func(network, address string) (net.Listener, error), start func(net.Listener, string)) {
	listener, err := listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	start(listener, os.Args[1])
	fmt.Println(listener.Addr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "give back" {
			debug.FreeOSMemory()
		}
		fmt.Println(runtime.NumGoroutine())
	}
	os.Exit(0)
}

func engineServer(l net.Listener, root string) {
	ordinary, slow := openFolder(root), openFolder(cmp.Or(os.Getenv(slowFolder), root))
	ruled := sync.OnceValues(func() (map[string]*host.Account, error) { return ruledAccounts(root) })
	server, err := host.New(host.Config{
		Authenticator: host.AuthenticatorFunc(func(_ context.Context, login host.Login) (*host.Account, error) {
			switch login.User {
			case "slow":
				return &host.Account{FS: slow, Rights: host.ReadWrite}, nil
			case bounded, capped:
				accounts, err := ruled()
				return accounts[login.User], err
			case throttle:
				return &host.Account{FS: ordinary, Rights: host.ReadWrite, Rates: host.Rates{Up: 1 << 50, Down: 1 << 50}}, nil
			}
			return &host.Account{FS: ordinary, Rights: host.ReadWrite}, nil
		}),
		TLS: host.TLS{Config: certificate()},
		// The zero values of the other limits are none for sessions, addresses and strangers.
		Limits: host.Limits{IdleTime: 24 * time.Hour, StallTime: 24 * time.Hour},
	})
	if err != nil {
		panic(err)
	}
	go server.Serve(l)
}

// ruledAccounts are those of bounded and of capped. Their counts are in a folder that is removed
// when the client is done.
func ruledAccounts(root string) (map[string]*host.Account, error) {
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{NoLinks: true})
	if err != nil {
		return nil, err
	}
	store, err := quota.Open(os.Getenv(countsFolder), nil)
	if err != nil {
		return nil, err
	}
	accounts := map[string]*host.Account{}
	for user, most := range map[string]int64{bounded: 0, capped: 1 << 30} {
		account := &host.Account{FS: dir, Rights: host.ReadWrite}
		if account.Rules, err = fsbridge.CompileRules(rulesOfBounded(most)); err != nil {
			return nil, err
		}
		account.Quota, err = store.Account(user, quota.Limits{Bytes: 1 << 50, Files: 1 << 40},
			func() (fs.FS, func() error, error) { return dir, func() error { return nil }, nil })
		if err != nil {
			return nil, err
		}
		accounts[user] = account
	}
	return accounts, nil
}

// countsFolder names the environment variable that gives the folder of quotas' counts.
const countsFolder = "WASIFTP_BENCH_COUNTS"

func openFolder(path string) *fsbridge.Dir {
	dir, err := fsbridge.OpenDir(path, fsbridge.DirOptions{})
	if err != nil {
		panic(err)
	}
	return dir
}

// process is a server under measurement.
type process struct {
	b       testing.TB
	address string
	stdin   io.WriteCloser
	stdout  *bufio.Reader
	pid     int
}

func startProcess(b testing.TB, kind, root string) *process {
	b.Helper()
	command := exec.Command(os.Args[0], root)
	command.Env = append(os.Environ(), role+"="+kind)
	return start(b, command)
}

// start starts a server, whose first line is its address, until the benchmark ends.
func start(b testing.TB, command *exec.Cmd) *process {
	b.Helper()
	command.Stderr = os.Stderr
	p := &process{b: b}
	p.stdin, _ = command.StdinPipe()
	stdout, _ := command.StdoutPipe()
	p.stdout = bufio.NewReader(stdout)
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		p.stdin.Close()
		command.Wait()
	})
	p.pid = command.Process.Pid
	p.address = p.line()
	return p
}

func (p *process) line() string {
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		p.b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// ask is the server's number for a line of text, as serve tells.
func (p *process) ask(line string) int64 {
	fmt.Fprintln(p.stdin, line)
	n, err := strconv.ParseInt(p.line(), 10, 64)
	if err != nil {
		p.b.Fatal(err)
	}
	return n
}

// cpu is the processor time the process has used.
func (p *process) cpu() time.Duration {
	const sched = 2 // as clock_getcpuclockid(3) makes the number of another process's clock
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^p.pid<<3|sched), &used); err != nil {
		p.b.Fatal(err)
	}
	return time.Duration(used.Nano())
}

// resident is the process's memory in bytes.
func (p *process) resident() int64 { return p.fact("status", "VmRSS:") << 10 }

// proportional is the process's memory in bytes (PSS): a page that n processes share counts
// as an nth.
func (p *process) proportional() int64 { return p.fact("smaps_rollup", "Pss:") << 10 }

// fact is the number behind a word in one of the process's files in /proc.
func (p *process) fact(file, word string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.pid, file))
	if err != nil {
		p.b.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte("\n"+word))
	n, err := strconv.ParseInt(strings.Fields(string(rest))[0], 10, 64)
	if err != nil {
		p.b.Fatal(err)
	}
	return n
}

// client is a control connection, with nothing in it that costs time.
type client struct {
	b      testing.TB
	conn   net.Conn
	in     *bufio.Reader
	tls    *tls.Config     // of protected connections, nil for none
	number int             // among the sessions that work at once, from 0
	buffer []byte          // of retrieve
	times  []time.Duration // of timed commands
}

func connect(b testing.TB, address string) *client {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	c := &client{b: b, conn: conn, in: bufio.NewReaderSize(conn, 512)}
	c.expect("220")
	return c
}

func login(b testing.TB, address string) *client { return loginAs(b, address, "u") }

func loginAs(b testing.TB, address, user string) *client {
	b.Helper()
	c := connect(b, address)
	c.command("USER "+user, "331")
	c.command("PASS p", "230")
	return c
}

func (c *client) command(line, code string) string {
	c.b.Helper()
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		c.b.Fatal(err)
	}
	return c.expect(code)
}

// timed is command, whose time is added to c.times.
func (c *client) timed(line, code string) {
	c.b.Helper()
	began := time.Now()
	c.command(line, code)
	c.times = append(c.times, time.Since(began))
}

func (c *client) expect(code string) string {
	c.b.Helper()
	line, err := c.in.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, code) {
		c.b.Fatalf("want %s, got %q, %v", code, line, err)
	}
	return line
}

// passive opens a data connection by EPSV.
func (c *client) passive() net.Conn {
	c.b.Helper()
	reply := c.command("EPSV", "229")
	port := reply[strings.Index(reply, "|||")+3 : strings.LastIndex(reply, "|")]
	host, _, _ := net.SplitHostPort(c.conn.RemoteAddr().String())
	conn, err := net.Dial("tcp", net.JoinHostPort(host, port))
	if err != nil {
		c.b.Fatal(err)
	}
	if c.tls != nil {
		return tls.Client(conn, c.tls)
	}
	return conn
}

func (c *client) quit() {
	c.command("QUIT", "221")
	c.conn.Close()
}
