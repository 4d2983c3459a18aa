package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"wasiftp/cmd/wasiftpd/doctor"
)

// examined is what doctor --json has printed.
type examined struct {
	doctor.Report
	t    *testing.T
	code int
}

// examine runs doctor with a line on stdin.
func examine(t *testing.T, p program, stdin io.Reader, args ...string) examined {
	t.Helper()
	var out, errs bytes.Buffer
	p.stdin, p.stdout, p.stderr = stdin, &out, &errs
	p.interrupts = func() <-chan os.Signal { return nil }
	r := examined{t: t, code: p.run(append([]string{"doctor", "--json"}, args...)...)}
	if err := json.Unmarshal(out.Bytes(), &r.Report); err != nil {
		t.Fatalf("%v in %q; exit code %d, %s", err, out.String(), r.code, errs.String())
	}
	return r
}

// find returns the finding of a check with a kind.
func (r examined) find(check, kind string) doctor.Finding {
	r.t.Helper()
	at := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool { return f.Check == check && f.Kind == kind })
	if at < 0 {
		r.t.Errorf("there is no %s %s in\n%+v", check, kind, r.Findings)
		return doctor.Finding{}
	}
	return r.Findings[at]
}

// The doctor finds no fault with a server that has none, and leaves nothing behind.
func TestDoctorHere(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	flags := []string{"--root", root, "--user", "ann:secret:rw", "--tls", "self-signed", "--tls-dir", t.TempDir(),
		"--state-dir", t.TempDir(), "--quota-per-user", "1G"}
	s := start(t, flags...)
	r := examine(t, program{}, nil, append(flags, "--listen", s.addr)...)
	if r.code != 0 || r.Faults != 0 {
		t.Errorf("exit code %d: %+v", r.code, r.Findings)
	}
	for _, check := range []string{"configuration", "listeners", "folders", "state", "certificates", "connect", "greeting", "feat",
		"auth-tls", "login", "protection", "epsv", "pasv", "upload", "listing", "clock", "download", "rename", "delete", "space",
		"latency", "active"} {
		r.find(check, "ok")
	}
	if set := r.find("passive-range", "any").Set; set != `passive-ports = "50000-50099"` {
		t.Errorf("the line is %q", set)
	}
	r.find("data-tls", "optional")
	names, err := os.ReadDir(root)
	if err != nil || len(names) > 0 {
		t.Errorf("the folder holds %v, %v", names, err)
	}
}

// Who may write by the configuration, and can't, is told of the folder's owner. The server
// that runs here has other rights than the configuration, as a folder of root's would have it.
func TestDoctorUnwritableFolder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := start(t, "--root", root, "--user", "ann:secret:ro")
	for rights, kind := range map[string]string{"rw": "unwritable", "ro": "denied"} {
		r := examine(t, program{}, nil, "--listen", s.addr, "--root", root, "--user", "ann:secret:"+rights)
		if f := r.find("upload", kind); kind == "unwritable" && !strings.Contains(f.Do, "Give "+root+" to") {
			t.Errorf("to do is %q", f.Do)
		}
	}
}

// The line for a user who may not rename keeps what the user may do already.
func TestDoctorKeepsRights(t *testing.T) {
	t.Parallel()
	for rights, line := range map[string]string{
		"read,list,write,delete,mkdir": `rights = "read,list,write,delete,mkdir,rename"`,
		"ro+write+delete+admin":        `rights = "read,list,write,delete,admin,rename"`,
	} {
		s := start(t, "--root", t.TempDir(), "--user", "ann:secret:"+rights)
		r := examine(t, program{}, nil, "--listen", s.addr, "--root", t.TempDir(), "--user", "ann:secret:"+rights)
		if f := r.find("rename", "lacking"); f.Set != line {
			t.Errorf("%s: the line is %q", rights, f.Set)
		}
		r = examine(t, program{}, strings.NewReader("secret\n"), "ftp://ann@"+s.addr)
		if f := r.find("rename", "denied"); f.Set != "" {
			t.Errorf("%s: the line is %q, though nobody knows the rights", rights, f.Set)
		}
	}
}

// Under --tls-data-resumption require the doctor sees that a new session is refused.
func TestDoctorResumption(t *testing.T) {
	t.Parallel()
	s := start(t, "--root", t.TempDir(), "--tls", "self-signed", "--tls-dir", t.TempDir(), "--tls-data-resumption", "require")
	r := examine(t, program{}, nil, "ftp://"+s.addr)
	if r.find("data-tls", "ok"); r.code != 0 {
		t.Errorf("exit code %d: %+v", r.code, r.Findings)
	}
}

// Implicit TLS is looked at by ftps.
func TestDoctorImplicit(t *testing.T) {
	t.Parallel()
	s := program{}.start(t, "--implicit-listen", "127.0.0.1:0", "--root", t.TempDir(), "--tls", "self-signed", "--tls-dir",
		t.TempDir())
	r := examine(t, program{}, nil, "ftps://"+s.implicit)
	r.find("implicit-tls", "ok")
	if r.find("data-tls", "optional"); r.code != 0 {
		t.Errorf("exit code %d: %+v", r.code, r.Findings)
	}
}

// The password comes from a file, a variable or stdin.
func TestDoctorPassword(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--root", root, "--user", "ann:secret:rw")
	file := write(t, t.TempDir(), "password", "secret\nmore\n")
	url := "ftp://ann@" + s.addr + "/in"
	for name, r := range map[string]examined{
		"file":     examine(t, program{}, nil, "--password-file", file, url),
		"variable": examine(t, program{environment: []string{"FTP_PASSWORD=secret"}}, nil, url),
		"stdin":    examine(t, program{}, strings.NewReader("secret\n"), url),
	} {
		r.find("login", "ok")
		r.find("folder", "ok")
		if r.find("delete", "ok"); r.code != 0 {
			t.Errorf("%s: exit code %d: %+v", name, r.code, r.Findings)
		}
	}
	r := examine(t, program{}, strings.NewReader("wrong\n"), url)
	if r.find("login", "denied"); r.code != 1 {
		t.Errorf("a wrong password: exit code %d", r.code)
	}
}

func TestDoctorUsage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"ftp://ann:secret@127.0.0.1"}, "others on this machine can see"},
		{[]string{"http://127.0.0.1"}, "is no URL"},
		{[]string{"ftp://"}, "is no URL"},
		{[]string{"ftp://a%0d%0ab@127.0.0.1"}, "control characters"},
		{[]string{"ftp://127.0.0.1", "ftp://127.0.0.1"}, "one argument too many"},
		{[]string{"--as", "ann", "ftp://127.0.0.1"}, "ftp://USER@HOST"},
		{[]string{"--step-timeout", "0", "ftp://127.0.0.1"}, "no length of time"},
	} {
		code, stdout, stderr := run(t, nil, append([]string{"doctor"}, test.args...)...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, test.says) || strings.Contains(stderr, "secret") {
			t.Errorf("%q: exit code %d, %q, %s", test.args, code, stdout, stderr)
		}
	}
}

// taken holds a port until the test ends.
func taken(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// vacant is an address that nobody listens on.
func vacant(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// What is wrong in the configuration and on this machine is found without a server.
func TestDoctorWithoutServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	port := taken(t)
	config := write(t, dir, "wasiftpd.toml", fmt.Sprintf(`
listen = [%q]
passive-ports = "%s-%s"
state-dir = "wasiftpd.toml"
[[user]]
name = "ann"
password = "*"
rights = "rw"
root = "missing"
`, vacant(t), port, port))
	r := examine(t, program{}, nil, "--config", config)
	r.find("listeners", "absent")
	r.find("connect", "refused")
	r.find("state", "closed")
	if f := r.find("folders", "closed"); f.Set != fmt.Sprintf("root = %q", filepath.Join(dir, "missing")) {
		t.Errorf("the line is %q", f.Set)
	}
	if f := r.find("passive-range", "all-taken"); !strings.HasPrefix(f.Set, "passive-ports = ") {
		t.Errorf("the line is %q", f.Set)
	}
	if r.find("configuration", "warned"); r.code != 1 {
		t.Errorf("exit code %d", r.code)
	}
	for _, broken := range []string{"lisen = 1\n", "[[user]]\nname = \"ann\"\npassword = \"no hash\"\n"} {
		r = examine(t, program{}, nil, "--config", write(t, dir, "broken.toml", broken))
		if f := r.find("configuration", "faulty"); r.code != 1 || !strings.Contains(f.Happened, "broken.toml:") {
			t.Errorf("exit code %d, %+v", r.code, f)
		}
	}
}

// The report for people has the line for the configuration whole.
func TestDoctorText(t *testing.T) {
	t.Parallel()
	s := start(t, "--root", t.TempDir())
	code, stdout, stderr := run(t, nil, "doctor", "ftp://"+s.addr)
	for _, line := range []string{
		"warning  auth-tls       ", "                     set          tls-acme = [\"ftp.example.org\"]",
		"no faults, 1 warning, 1 check skipped.\n",
	} {
		if !strings.Contains(stdout, strings.TrimLeft(line, " ")) {
			t.Errorf("%q is missing in\n%s", line, stdout)
		}
	}
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// A server that is not ours is looked at as well, with TLS and without.
func TestDoctorPureFTPd(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"TLS": {"-Y", "1"}, "clear": {"-Y", "0"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, root := startPureFTPd(t, flags...)
			r := examine(t, program{}, strings.NewReader("secret\n"), "ftp://ann@"+addr)
			for _, check := range []string{"login", "epsv", "pasv", "upload", "listing", "download", "rename", "delete", "clock"} {
				r.find(check, "ok")
			}
			if name == "TLS" {
				r.find("auth-tls", "ok")
				r.find("data-tls", "no-ticket")
			} else {
				r.find("auth-tls", "stripped") // FEAT offers it all the same
			}
			if names, err := os.ReadDir(root); len(names) > 0 || err != nil {
				t.Errorf("the folder holds %v, %v", names, err)
			}
		})
	}
}

// startPureFTPd serves a folder to ann, whose password is secret, until the test ends.
func startPureFTPd(t *testing.T, flags ...string) (addr, root string) {
	t.Helper()
	server, admin := tool(t, "pure-ftpd"), tool(t, "pure-pw")
	if os.Geteuid() != 0 {
		t.Skip("pure-ftpd has to be started by root")
	}
	dir, err := os.MkdirTemp("", "pure") // the path to t.TempDir is closed to ann
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	root = filepath.Join(dir, "root")
	for _, err := range []error{os.Chmod(dir, 0o711), os.Mkdir(root, 0o700), os.Chown(root, stranger, stranger)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	users, database := filepath.Join(dir, "passwd"), filepath.Join(dir, "pdb")
	id := fmt.Sprint(stranger)
	add := exec.Command(admin, "useradd", "ann", "-u", id, "-g", id, "-d", root, "-f", users, "-F", database, "-m")
	add.Stdin = strings.NewReader("secret\nsecret\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tls := tlsOptions{dir: filepath.Join(dir, "tls")}
	certificate, err := tls.selfSigned(nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	addr = vacant(t)
	host, port, _ := net.SplitHostPort(addr)
	daemon := exec.Command(server, append([]string{
		"-S", host + "," + port, "-l", "puredb:" + database, "-E", "-g", filepath.Join(dir, "pid"), "-2", certificate}, flags...)...)
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	t.Cleanup(func() {
		daemon.Process.Kill()
		<-ended
	})
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return addr, root
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("pure-ftpd ended: %v", err)
		default:
			runtime.Gosched()
		}
	}
}
