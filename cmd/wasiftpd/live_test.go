package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// changing is a server whose configuration a test changes.
type changing struct {
	*running
	t     *testing.T
	dir   string
	loads int
}

// startChanging starts a server of the user ann and anonymous, with more settings.
func startChanging(t *testing.T, settings string, args ...string) *changing {
	t.Helper()
	c := &changing{t: t, dir: t.TempDir()}
	folder(t, filepath.Join(c.dir, "srv"))
	c.running = start(t, append([]string{"--config", c.write(settings)}, args...)...)
	return c
}

const changingHead = "root = 'srv'\nuser = ['ann:secret:rw']\nanonymous = 'rw'\n"

func (c *changing) write(settings string) string {
	return write(c.t, c.dir, "wasiftpd.toml", changingHead+settings)
}

// change changes the settings, and waits until they hold.
func (c *changing) change(settings string) {
	c.t.Helper()
	c.loads++
	c.write(settings)
	c.hangup <- os.Interrupt
	c.log.untilTimes(`msg="configuration loaded"`, c.loads)
}

// begins dials, and wants a reply.
func (c *changing) begins(code int, text string) *textproto.Conn {
	c.t.Helper()
	d, err := textproto.Dial("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { d.Close() })
	if _, got, err := d.ReadResponse(code); err != nil || !strings.Contains(got, text) {
		c.t.Fatalf("%q, %v; want %d %s\n%s", got, err, code, text, c.log)
	}
	return d
}

// Limits, times, greeting, passive ports and networks change while the server runs. A session
// keeps what it began with.
func TestLimitsAreLive(t *testing.T) {
	t.Parallel()
	c := startChanging(t, "greeting = 'One.'\n")
	old := c.admitted("ann", "secret")

	c.change("greeting = 'Two.'\nmax-sessions = 2\n")
	second := c.begins(220, "Two.")
	c.begins(421, "Too many")
	old.do(200, "NOOP")
	second.Close()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	c.change(fmt.Sprintf("passive-ports = '%d-%[1]d'\npublic-address = ['127.0.0.0/8=203.0.113.7']\n", port))
	d := c.admitted("ann", "secret")
	if text := d.do(227, "PASV"); !strings.Contains(text, fmt.Sprintf("203,0,113,7,%d,%d", port>>8, port&0xff)) {
		t.Errorf("the passive port is %s", text)
	}
	d.Close()

	c.change("idle-timeout = '1s'\nlogin-timeout = '1s'\n")
	c.admitted("ann", "secret").expect(421)
	if _, _, err := c.begins(220, "").ReadResponse(421); err != nil {
		t.Error(err)
	}
	old.do(200, "NOOP")

	if runtime.GOOS == "linux" {
		c.change("deny-from = ['127.0.0.79']\n")
		if code := c.curl("secret", "127.0.0.79"); code == 0 {
			t.Error("a network that is denied may log in")
		}
		if code := c.curl("secret", ""); code != 0 {
			t.Errorf("all others end with %d\n%s", code, c.log)
		}
	}
	c.change("max-sessions-per-address = 1\n")
	c.begins(421, "Too many")
	old.do(200, "NOOP")
}

// The next login by curl has the rate that was set meanwhile, and it has none when that is
// gone.
func TestRatesAreLive(t *testing.T) {
	t.Parallel()
	path := tool(t, "curl")
	c := startChanging(t, "")
	write(t, filepath.Join(c.dir, "srv"), "file", strings.Repeat("x", 48<<10))
	fetch := func() time.Duration {
		t.Helper()
		began := time.Now()
		out, err := exec.Command(path, "-sS", "--noproxy", "*", "--user", "ann:secret", "ftp://"+c.addr+"/file", "-o", os.DevNull).
			CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return time.Since(began)
	}
	for _, setting := range []string{"rate", "rate-per-user", "rate-per-session"} {
		c.change(setting + " = '0:32k'\n")
		// 48 KiB at 32 KiB a second, less what may go at once.
		if took := fetch(); took < time.Second {
			t.Errorf("%s: 48 KiB took %v", setting, took)
		}
	}
	c.change("")
	fetch()
}

// A running transfer has the new rate if it has had one.
func TestRateOfARunningTransfer(t *testing.T) {
	t.Parallel()
	c := startChanging(t, "rate = '0:4k'\n") // by which the file takes 17 minutes
	write(t, filepath.Join(c.dir, "srv"), "file", strings.Repeat("x", 4<<20))
	d := c.admitted("ann", "secret")
	data := d.data(c.addr)
	d.do(150, "RETR file")
	c.change("")
	if n, err := io.Copy(io.Discard, data); n != 4<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	d.expect(226)
}

// A rule holds from its reload on: sessions that it changes end.
func TestRulesAreLive(t *testing.T) {
	t.Parallel()
	c := startChanging(t, "")
	write(t, folder(t, filepath.Join(c.dir, "srv", "hidden")), "file", "content")
	d := c.admitted("ann", "secret")
	d.do(213, "SIZE hidden/file")
	c.change("rule = ['/hidden none', '/in/** list']\n")
	d.expect(421)
	d = c.admitted("ann", "secret")
	d.do(550, "SIZE hidden/file")
	c.change("")
	d.expect(421)
	c.admitted("ann", "secret").do(213, "SIZE hidden/file")
}

// The policy of bans changes while the server runs, and knows what failed before.
func TestBansAreLive(t *testing.T) {
	t.Parallel()
	c := startChanging(t, "ban-after = 'off'\n", "--state-dir", t.TempDir())
	for range 3 {
		c.curl("wrong", "")
	}
	if code := c.curl("secret", ""); code != 0 {
		t.Fatalf("curl ends with %d\n%s", code, c.log)
	}
	c.change("ban-after = '1/1m'\n")
	for range 2 {
		c.curl("wrong", "")
	}
	if c.curl("secret", "") == 0 {
		t.Errorf("the address is not banned:\n%s", c.log)
	}
}

// A certificate in the file makes the server speak TLS, and another one is shown to the next
// client. Sessions in the clear go on.
func TestTLSIsLive(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	c := startChanging(t, "")
	old := c.admitted("ann", "secret")
	old.do(502, "AUTH TLS")
	for _, name := range []string{"one.example.org", "two.example.org"} {
		cert, key := ca.files(c.dir, name)
		c.change(fmt.Sprintf("tls-cert = ['%s']\ntls-key = ['%s']\ntls-require = 'login'\n", cert, key))
		raw, err := net.Dial("tcp", c.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		d := dialogue{textproto.NewConn(raw), t}
		d.expect(220)
		d.do(530, "USER ann")
		d.do(234, "AUTH TLS")
		d = dialogue{textproto.NewConn(tls.Client(raw, ca.client(name))), t}
		d.login("ann", "secret")
	}
	old.do(200, "NOOP")
	c.change("")
	c.admitted("ann", "secret")
}

// Hosts with users files of their own come, change and go.
func TestHostsAreLive(t *testing.T) {
	t.Parallel()
	c := startChanging(t, "")
	users := write(t, c.dir, "a.users", "bob:"+bcryptHash4+"::ro\n")
	c.change("host = ['a.example.org,users=a.users']\n")
	at := func() dialogue {
		d := c.dial()
		d.do(220, "HOST a.example.org")
		d.login("bob", "secret")
		return d
	}
	d := at()
	write(t, c.dir, "a.users", "bob:"+bcryptHash4+"::rw\n")
	c.log.until(`msg="users file loaded" file=` + users)
	d.expect(421)
	d = at()
	c.change("host = ['b.example.org']\n")
	d.expect(421)
	c.dial().do(504, "HOST a.example.org")
}

// A first quota counts from its reload on.
func TestQuotaIsLive(t *testing.T) {
	t.Parallel()
	c := startChanging(t, "", "--state-dir", filepath.Join(t.TempDir(), "state"))
	c.change("quota-per-user = '10'\n")
	d := c.admitted("ann", "secret")
	data := d.data(c.addr)
	d.do(150, "STOR up")
	fmt.Fprint(data, "more than ten bytes")
	data.Close()
	d.expect(552)
}

// What can't be taken together with what needs a restart is refused as a whole.
func TestRestartComesFirst(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	c := startChanging(t, "tls = 'self-signed'\n", "--tls-dir", t.TempDir())
	cert, key := ca.files(c.dir, "one.example.org")
	c.write(fmt.Sprintf("greeting = 'New.'\ntls-cert = ['%s']\ntls-key = ['%s']\n", cert, key))
	c.hangup <- os.Interrupt
	if log := c.log.until("tls needs a restart"); !strings.Contains(log, `msg="the old configuration stays"`) {
		t.Errorf("the log is\n%s", log)
	}
	c.begins(220, "")
	if log := c.log.String(); strings.Contains(log, "configuration loaded") {
		t.Errorf("the log is\n%s", log)
	}
}
