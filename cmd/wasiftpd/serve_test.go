package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The program is started with no flag but the folder.
func TestServe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "hello.txt", "Hello, world.\n")
	s := start(t, "--root", dir)
	if banner := s.out.String(); !strings.Contains(banner, "Anyone may read "+dir+", as anonymous.\n") ||
		strings.Contains(banner, "Warning") {
		t.Errorf("the banner is\n%s", banner)
	}

	d := s.dial()
	d.login("anonymous", "guest@example.org")
	d.do(200, "TYPE I")
	data := d.data(s.addr)
	d.do(150, "RETR hello.txt")
	if got, err := io.ReadAll(data); string(got) != "Hello, world.\n" || err != nil {
		t.Errorf("RETR gives %q, %v", got, err)
	}
	d.expect(226)
	d.do(550, "DELE hello.txt")
	d.do(550, "MKD new")
	d.do(221, "QUIT")

	s.interrupt()
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.log)
	}
	if out := s.out.String(); !strings.Contains(out, "\nStopping ") {
		t.Errorf("it did not say that it stops: %s", out)
	}
	log := s.log.String()
	for _, want := range []string{
		`msg="logged in" `, "user=anonymous", "msg=downloaded ", "path=/hello.txt bytes=14 ", "complete=true", "msg=disconnected ",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
	if strings.Contains(log, "guest@") {
		t.Errorf("the log tells a password:\n%s", log)
	}
}

func TestServeUsers(t *testing.T) {
	t.Parallel()
	dir, own := t.TempDir(), t.TempDir()
	users := write(t, dir, "users", "bob:"+bcryptHash4+":"+own+":rw\n")
	s := start(t, "--root", dir, "--user", "alice:wonder:land:ro", "--users", users, "--greeting", "Here I am.")
	banner := s.out.String()
	for _, want := range []string{"ftp://alice@127.0.0.1:", "alice may read " + dir + ".\n", "Users of " + users +
		" may log in: 1.\n"} {
		if !strings.Contains(banner, want) {
			t.Errorf("the banner has no %q:\n%s", want, banner)
		}
	}

	d := s.dial()
	d.do(331, "USER anonymous")
	d.do(530, "PASS guest")
	d.login("alice", "wonder:land")
	d.do(550, "MKD new")

	d = s.dial()
	d.login("bob", "secret")
	d.do(257, "MKD new")
	data := d.data(s.addr)
	d.do(150, "STOR new/file")
	fmt.Fprint(data, "bytes")
	data.Close()
	d.expect(226)
	if got, err := os.ReadFile(filepath.Join(own, "new", "file")); string(got) != "bytes" {
		t.Errorf("STOR wrote %q, %v", got, err)
	}
	log := s.log.until("msg=uploaded ")
	for _, want := range []string{`msg="login failed" `, "user=anonymous", "user=bob", "msg=made ", "path=/new/file bytes=5 "} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
	for _, secret := range []string{"wonder", "secret", "guest"} {
		if strings.Contains(log+s.out.String(), secret) {
			t.Errorf("a password was told: %s", secret)
		}
	}
}

// After a signal a running transfer may finish. A second signal aborts it.
func TestDrain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const size = 64 << 20 // more than the kernel buffers
	file := write(t, dir, "big", "")
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	for _, hurry := range []bool{false, true} {
		s := start(t, "--root", dir)
		idle := s.dial()
		idle.login("ftp", "x")
		d := s.dial()
		d.login("ftp", "x")
		d.do(200, "TYPE I")
		data := d.data(s.addr)
		d.do(150, "RETR big")
		s.interrupt()
		idle.expect(421)
		if c, err := net.Dial("tcp", s.addr); err == nil {
			c.Close()
			t.Error("it still listens")
		}
		if hurry {
			s.interrupt()
		} else if n, err := io.Copy(io.Discard, data); n != size || err != nil {
			t.Errorf("%d bytes came, %v; want %d", n, err, size)
		} else {
			d.expect(226)
		}
		if code := s.wait(); code != 0 {
			t.Errorf("exit code %d\n%s", code, s.log)
		}
		if want := fmt.Sprintf("complete=%t", !hurry); !strings.Contains(s.log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, s.log)
		}
	}
}

// A client that takes its time can't keep the server from stopping.
func TestStopTimeout(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Truncate(write(t, dir, "big", ""), 64<<20); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--root", dir, "--stop-timeout", "10ms")
	d := s.dial()
	d.login("ftp", "x")
	d.data(s.addr)
	d.do(150, "RETR big")
	s.interrupt()
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if out := s.out.String(); !strings.Contains(out, "\nStopping when the running transfers are done, or after 10ms; ") {
		t.Errorf("it did not say when it stops: %s", out)
	}
	log := s.log.String()
	for _, want := range []string{"path=/big", "complete=false",
		`msg="transfers that took longer than --stop-timeout were aborted" timeout=10ms`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
}

// Without a limit the server waits for as long as it takes.
func TestStopTimeoutNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const size = 64 << 20
	if err := os.Truncate(write(t, dir, "big", ""), size); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--root", dir, "--stop-timeout", "0")
	d := s.dial()
	d.login("ftp", "x")
	d.do(200, "TYPE I")
	data := d.data(s.addr)
	d.do(150, "RETR big")
	s.interrupt()
	s.out.until("\nStopping when the running transfers are done; ")
	if n, err := io.Copy(io.Discard, data); n != size || err != nil {
		t.Errorf("%d bytes came, %v; want %d", n, err, size)
	}
	d.expect(226)
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.log)
	}
}

func TestListenTwice(t *testing.T) {
	t.Parallel()
	s := start(t, "--root", t.TempDir(), "--listen", "0.0.0.0:0", "--anonymous", "rw")
	banner := s.out.String()
	if strings.Count(banner, "ftp://127.0.0.1:") != 2 || strings.Count(banner, "Warning: ") != 2 {
		t.Errorf("the banner has not two addresses and two warnings:\n%s", banner)
	}
	_, second, _ := strings.Cut(banner, "\n")
	s.addr, _, _ = strings.Cut(strings.TrimPrefix(second, "ftp://"), "/")
	s.dial().login("anonymous", "")
}

// What clients send stays within one record in the log of a whole server, too.
func TestThreat22LogInjectionServed(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		s := start(t, "--root", t.TempDir(), "--user", "alice:secret:rw", "--log-format", format)
		d := s.dial()
		const evil = "x\x1b[2J \"user\":\"root\" level=INFO\x9b\u202e\\"
		d.do(200, "CLNT "+evil)
		d.do(331, "USER "+evil)
		d.do(530, "PASS "+evil+"hunter2")
		d.login("alice", "secret")
		d.do(257, "MKD "+evil)
		d.do(221, "QUIT")
		s.interrupt()
		s.wait()

		log := strings.TrimSuffix(s.log.String(), ended)
		checkRecords(t, format, log, 4)
		for _, secret := range []string{"hunter2", "secret"} {
			if strings.Contains(log, secret) {
				t.Errorf("the log tells a password:\n%q", log)
			}
		}
		if format == "json" {
			checkUsers(t, log, strings.ToValidUTF8(evil, "\ufffd"), "alice")
		}
	}
}

// checkUsers wants no users in the records but the given ones.
func checkUsers(t *testing.T, log string, users ...string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var record struct{ User string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Error(err)
		}
		if !strings.Contains("\n"+strings.Join(users, "\n")+"\n", "\n"+record.User+"\n") && record.User != "" {
			t.Errorf("a record of the user %q: %s", record.User, line)
		}
	}
}

// A drop box takes what is put there, and shows nothing.
func TestServeWriteOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, "--root", dir, "--user", "box:secret:wo", "--anonymous", "wo")
	for _, want := range []string{"Anyone may write to " + dir + ", as anonymous.\n", "box may write to " + dir + ".\n",
		"may put files there without"} {
		if banner := s.out.String(); !strings.Contains(banner, want) {
			t.Errorf("the banner has no %q:\n%s", want, banner)
		}
	}
	for i, user := range []string{"box", "anonymous"} {
		d := s.dial()
		d.login(user, "secret")
		folder := fmt.Sprint("new", i)
		d.do(257, "MKD "+folder)
		d.do(250, "CWD "+folder)
		data := d.data(s.addr)
		d.do(150, "STOR file")
		fmt.Fprint(data, "bytes")
		data.Close()
		d.expect(226)
		d.do(550, "DELE file")
		for _, command := range []string{"RETR file", "NLST"} {
			d.data(s.addr)
			d.do(550, command)
		}
	}
}
