//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// BenchmarkSeen lets the program that is seen, and the program that is not, do the same work in
// turn, and reports what it costs: logs, metrics that are scraped each second, and somebody at the
// status page.
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
	socket := filepath.Join(logs, "admin.sock")
	crowds := [2]crowd{
		{process: startProgram(b, program, root, "--log-file", filepath.Join(logs, "log"),
			"--transfer-log", filepath.Join(logs, "xferlog"), "--admin-socket", socket)},
		{process: startProgram(b, program, root, "--log-level", "error", "--admin-socket", "off")},
	}
	look(b, socket)
	for i := range crowds {
		crowds[i].grow(sessions)
		for number, c := range crowds[i].clients {
			c.number = 2*number + i
			c.command("TYPE I", "200")
		}
	}
	takeTurns(b, crowds, work, func() { removeUploads(b, root) })
}

// look scrapes metrics each second, and reads what the status page reads, until the benchmark ends.
func look(b *testing.B, socket string) {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	ctx, cancel := context.WithCancel(context.Background())
	var looks sync.WaitGroup
	b.Cleanup(func() { cancel(); looks.Wait() })
	get := func(path string) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://wasiftpd"+path, nil)
		if err != nil {
			b.Error(err)
			return
		}
		request.Header.Set("Accept", "text/event-stream, */*")
		response, err := client.Do(request)
		if err != nil {
			return // the benchmark has ended
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			b.Errorf("%s: %s", path, response.Status)
		}
		io.Copy(io.Discard, response.Body)
	}
	for _, path := range []string{"/v1/live", "/v1/events"} {
		looks.Go(func() { get(path) })
	}
	looks.Go(func() {
		for ticker := time.NewTicker(time.Second); ctx.Err() == nil; {
			get("/metrics")
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	})
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
