package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestQuotaAfterKill: of a server that is killed in the middle of an upload, the next scan
// finds what is there, and so does the next server.
func TestQuotaAfterKill(t *testing.T) {
	t.Parallel()
	root, state := t.TempDir(), t.TempDir()
	flags := []string{"--root", root, "--user=u:p:rw", "--state-dir", state, "--quota-per-user=1M:10"}
	killed := behindWalls(t, trial{Args: flags})
	addr := killed.addr[strings.Index(killed.addr, "@")+1:]
	d := (&running{t: t, addr: addr}).dial()
	d.login("u", "p")
	data := d.data(addr)
	d.do(150, "STOR whole")
	data.Write(bytes.Repeat([]byte("w"), 1000))
	data.Close()
	d.expect(226)
	data = d.data(addr)
	d.do(150, "STOR cut")
	data.Write(bytes.Repeat([]byte("c"), 300_000))
	there := func() int64 {
		info, err := os.Stat(filepath.Join(root, "cut"))
		if err != nil {
			return 0
		}
		return info.Size()
	}
	for deadline := time.Now().Add(20 * time.Second); there() < 100_000; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the upload does not arrive")
		}
	}
	if err := killed.process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadLine(); err == nil {
		t.Error("the session goes on")
	}
	want := "u: " + strconv.FormatInt(1000+there(), 10) + " bytes, 2 files\n"
	code, out, stderr := run(t, nil, append([]string{"quota", "scan"}, flags...)...)
	if code != 0 || out != want {
		t.Errorf("exit code %d, %q, not %q; %s", code, out, want, stderr)
	}
	code, out, stderr = run(t, nil, "quota", "show", "--state-dir", state)
	if code != 0 || strings.Join(strings.Fields(out), " ") != strconv.FormatInt(1000+there(), 10)+" bytes of - 2 files of - u" {
		t.Errorf("exit code %d, %q; %s", code, out, stderr)
	}
	left := strconv.FormatInt(1<<20-1000-there(), 10)
	d = start(t, flags...).dial()
	d.login("u", "p")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if d.PrintfLine("AVBL"); strings.HasSuffix(d.expect(213), left) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("what is there is not counted")
		}
	}
}
