//go:build linux

package bench

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// BenchmarkSeen lets the program with its logs, and the program without, do the same work in
// turn, and reports what it costs to be seen.
func BenchmarkSeen(b *testing.B) {
	program := filepath.Join(b.TempDir(), "wasiftpd")
	build := exec.Command("go", "build", "-o", program, "wasiftp/cmd/wasiftpd")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		b.Fatal(err)
	}
	root := memoryDir(b)
	sparse(b, filepath.Join(root, "small"), smallSize)
	upload := sparse(b, filepath.Join(root, "large"), 64<<20)
	work, list := filepath.Join(root, "work"), filepath.Join(root, "list")
	if err := errors.Join(os.Mkdir(work, 0o755), os.Mkdir(list, 0o755)); err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		if err := os.WriteFile(filepath.Join(list, fmt.Sprint(i)), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for _, row := range []struct {
		name     string
		sessions []int
		work     func(c *client, turn int)
	}{
		{"RETR large", []int{1, 8}, func(c *client, _ int) { c.retrieve("large/sparse") }},
		{"STOR large", []int{1, 8}, func(c *client, _ int) { c.store(fmt.Sprintf("work/large-%d", c.number), upload) }},
		{"RETR small", []int{1, 16}, func(c *client, _ int) {
			for range policyFiles {
				c.retrieve("small/sparse")
			}
		}},
		{"STOR small", []int{1, 16}, (*client).storePolicy},
		{"login", []int{1, 16}, func(c *client, _ int) {
			for range 20 {
				login(c.b, c.conn.RemoteAddr().String()).quit()
			}
		}},
		{"NOOP", []int{1, 16}, func(c *client, _ int) { c.noops(500) }},
		{"LIST", []int{1}, func(c *client, _ int) { c.list("LIST list") }},
		{"MLSD", []int{1}, func(c *client, _ int) { c.list("MLSD list") }},
	} {
		for _, sessions := range row.sessions {
			b.Run(fmt.Sprint(row.name, " ", sessions), func(b *testing.B) {
				if sessions == 1 {
					pin(b)
				}
				compareSeen(b, program, root, sessions, row.work)
			})
		}
	}
}

func compareSeen(b *testing.B, program, root string, sessions int, work func(c *client, turn int)) {
	logs := b.TempDir()
	crowds := [2]crowd{
		{process: startProgram(b, program, root, "--log-file", filepath.Join(logs, "log"), "--transfer-log", filepath.Join(logs, "xferlog"))},
		{process: startProgram(b, program, root, "--log-level", "error")},
	}
	for i := range crowds {
		crowds[i].grow(sessions)
		for number, c := range crowds[i].clients {
			c.number = 2*number + i
			c.command("TYPE I", "200")
		}
	}
	takeTurns(b, crowds, work, func() { removeUploads(b, root) })
}

// startProgram runs wasiftpd, without limits of sessions, until the benchmark ends.
func startProgram(b *testing.B, program, root string, args ...string) *process {
	b.Helper()
	command := exec.Command(program, append([]string{"serve", "--root", root, "--listen", "127.0.0.1:0", "--user", "u:p:rw",
		"--cache-dir", filepath.Join(filepath.Dir(program), "cache")}, args...)...)
	p := start(b, command)
	b.Cleanup(func() { command.Process.Signal(os.Interrupt) })
	at, err := url.Parse(p.address)
	if err != nil {
		b.Fatal(err)
	}
	p.address = at.Host
	return p
}
