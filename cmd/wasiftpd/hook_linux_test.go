package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A hook that does not answer refuses for now, and all its processes are killed.
func TestHookTimeout(t *testing.T) {
	t.Parallel()
	root, dir := t.TempDir(), t.TempDir()
	slow := shellProgram(t, "sleep 1000 &\necho $! > "+dir+"/pid\nwait\n")
	s := hooked(t, root, t.TempDir(), askedTable("upload", slow)+"timeout = \"500ms\"\n")
	d := s.dial()
	d.login("u", "p")
	d.store(s.addr, "STOR f", "x", 451)
	if log := s.log.until("upload failed"); !strings.Contains(log, "no answer within 500ms") {
		t.Errorf("the log is\n%s", log)
	}
	text, err := os.ReadFile(filepath.Join(dir, "pid"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid == 0 {
		t.Fatalf("%q, %v", text, err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for ; syscall.Kill(pid, 0) == nil && !zombie(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the child of the program still runs")
		}
	}
}

// zombie says whether a process has ended, and nobody has asked how.
func zombie(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(status), ") Z ")
}
