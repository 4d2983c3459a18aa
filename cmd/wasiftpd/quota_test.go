package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wasiftp/host/quota"
)

func TestQuotaFlag(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]quota.Limits{
		"0": {}, "10G": {Bytes: 10 << 30}, "512k:2000": {Bytes: 512 << 10, Files: 2000}, "0:1k": {Files: 1024},
	} {
		if o := parse(t, "--quota-per-user="+text); o.quotaPerUser != want {
			t.Errorf("%s: %+v", text, o.quotaPerUser)
		}
	}
	for _, text := range []string{":5", "1:", "1:2:3", "-1", "ten"} {
		code, _, stderr := run(t, nil, "--quota-per-user="+text)
		if code != exitUsage || !strings.Contains(stderr, "--quota-per-user: ") || !strings.Contains(stderr, "500M:20000") {
			t.Errorf("%q: exit code %d, %s", text, code, stderr)
		}
	}
}

// curl runs the real client, and returns what it says.
func curl(t *testing.T, args ...string) (out string, ok bool) {
	t.Helper()
	b, err := exec.Command(tool(t, "curl"), append([]string{"-sS", "-v", "--max-time", "60"}, args...)...).CombinedOutput()
	return string(b), err == nil
}

// TestQuotaWithCurl: what was there counts, uploads end with 552 at the limit, what is
// deleted makes room, and a scan finds what was put there by others.
func TestQuotaWithCurl(t *testing.T) {
	t.Parallel()
	root, state := t.TempDir(), t.TempDir()
	write(t, root, "old", strings.Repeat("x", 40<<10))
	file := write(t, t.TempDir(), "file", strings.Repeat("y", 50<<10))
	flags := []string{"--root", root, "--user=u:p:rw", "--state-dir", state, "--quota-per-user=100k:4"}
	s := start(t, flags...)
	at := "ftp://u:p@" + s.addr + "/"
	d := s.dial()
	d.login("u", "p") // the first use
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if d.PrintfLine("AVBL"); strings.Contains(d.expect(213), "61440") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("what is there is not counted")
		}
	}
	d.do(552, "ALLO 61441")
	d.do(202, "ALLO 61440")
	if out, ok := curl(t, "-T", file, at+"a"); !ok {
		t.Fatal(out)
	}
	if out, ok := curl(t, "-T", file, at+"b"); ok || !strings.Contains(out, "552 ") {
		t.Errorf("beyond the quota: %s", out)
	}
	if out, ok := curl(t, "-Q", "-DELE b", at); !ok {
		t.Errorf("DELE b: %s", out)
	}
	if out, ok := curl(t, "-T", file, at+"old"); !ok {
		t.Errorf("instead of a smaller file there is just enough room: %s", out)
	}
	if content, err := os.ReadFile(filepath.Join(root, "a")); err != nil || len(content) != 50<<10 {
		t.Errorf("what was there is not whole: %v", err)
	}
	for _, line := range []string{"-DELE a", "-DELE old"} {
		if out, ok := curl(t, "-Q", line, at); !ok {
			t.Errorf("%s: %s", line, out)
		}
	}
	if out, ok := curl(t, "-T", file, at+"b", "-T", file, at+"c"); !ok {
		t.Errorf("after deletions: %s", out)
	}
	write(t, root, "beside", strings.Repeat("z", 1000))
	code, out, stderr := run(t, nil, append([]string{"quota", "scan", "u"}, flags...)...)
	if code != 0 || out != "u: 103400 bytes, 3 files\n" {
		t.Errorf("exit code %d, %q, %s", code, out, stderr)
	}
	code, out, stderr = run(t, nil, "quota", "show", "--state-dir", state)
	if code != 0 || strings.Join(strings.Fields(out), " ") != "103400 bytes of - 3 files of - u" {
		t.Errorf("exit code %d, %q, %s", code, out, stderr)
	}
}

// TestQuotaShow prints limits without a server too, if the configuration is given: with flaws
// of folders, and for users of virtual hosts. Nobody knows those of users who are gone.
func TestQuotaShow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := write(t, dir, "wasiftpd.toml", "state-dir = 'state'\nadmin-socket = 'admin'\n"+
		"[defaults]\nquota = '1M'\nrights = 'rw'\n"+
		userTable("ann", "root = '"+folder(t, filepath.Join(dir, "ann"))+"'\nquota = '2M:100'")+
		userTable("bob", "root = 'missing'"))
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	store, err := quota.Open(filepath.Join(dir, "state"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ann", "bob", "gone"} {
		a, err := store.Account(name, quota.Limits{Bytes: 1000}, func() (fs.FS, func() error, error) { return measured(dir) })
		if err != nil {
			t.Fatal(err)
		}
		a.Count(1<<10, 1)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	shows := func(args ...string) (out, errs string) {
		t.Helper()
		return exits(t, 0, nil, append([]string{"quota", "show"}, args...)...)
	}
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	out, errs := shows("--config", config)
	if errs != "" {
		t.Error(errs)
	}
	has(t, words(out), " of 2097152 ", " of 100 ann", " of 1048576 ", "files of - bob", "bytes of - ", "files of - gone")
	out, _ = shows("--config", config, "--json")
	has(t, words(out), `"max_bytes": 2097152, "max_files": 100`)
	out, _ = shows("--state-dir", filepath.Join(dir, "state"))
	has(t, words(out), "files of - ann", "bytes of - ")
	write(t, dir, "wasiftpd.toml", "users = 'missing'")
	out, errs = shows("--config", config, "--state-dir", filepath.Join(dir, "state"))
	has(t, words(out), "files of - ann")
	has(t, errs, "The limits are not known: ", config+":1:9: ", "missing")
}

// TestQuotaAfterCrash: what a killed server had not written down is counted at the next use.
func TestQuotaAfterCrash(t *testing.T) {
	t.Parallel()
	root, state := t.TempDir(), t.TempDir()
	if _, err := quota.Open(state, nil); err != nil { // which is never closed
		t.Fatal(err)
	}
	write(t, root, "lost", strings.Repeat("x", 900))
	s := start(t, "--root", root, "--user=u:p:rw", "--state-dir", state, "--quota-per-user=1000")
	d := s.dial()
	d.login("u", "p")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if d.PrintfLine("AVBL"); strings.HasSuffix(d.expect(213), "100") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("what is there is not counted")
		}
	}
	data := d.data(s.addr)
	d.do(150, "STOR more")
	data.Write(bytes.Repeat([]byte("y"), 200))
	data.Close()
	d.expect(552)
}

func TestQuotaCommandFaults(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"no quota was counted in":      {"quota", "show", "--state-dir", t.TempDir()},
		"no user has a quota":          {"quota", "scan", "--user=u:p:rw", "--state-dir", t.TempDir()},
		`user "v" has no quota`:        {"quota", "scan", "v", "--user=u:p:rw", "--quota-per-user=1M", "--state-dir", t.TempDir()},
		"say quota show or quota scan": {"quota"},
		"choose one with --state-dir": {"--listen=127.0.0.1:0", "--user=u:p:rw", "--quota-per-user=1M",
			"--state-dir", write(t, t.TempDir(), "f", "")},
	} {
		code, _, stderr := run(t, nil, args...)
		if code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
}
