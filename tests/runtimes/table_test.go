package runtimes

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

var update = flag.Bool("update", false, "write the files that the tests compare with")

const (
	table     = "table.md"
	tableHead = `| target | runtime | passive | active | TLS | sessions at once | RETR | STOR |
|---|---|---|---|---|---|---|---|
`
	// manySessions is how many sessions are tried at once.
	manySessions = 100

	// The file that rates are measured with has rateSize bytes and is transferred
	// rateRounds times.
	rateSize, rateRounds = 64 << 20, 5
)

// TestTable finds out what each target can do, and compares it with table.md. go test
// ./tests/runtimes -run Table -update writes table.md, with rates relative to the first
// target's.
func TestTable(t *testing.T) {
	old, err := os.ReadFile(table)
	require.True(t, err == nil || *update, "%v", err)
	rows := make([]string, len(targets))
	for i, to := range targets {
		rows[i] = fmt.Sprintf("| `%s` | %s | not run here | | | | | |", to.name, to.runtime)
		t.Run(to.String(), func(t *testing.T) {
			to.here(t)
			row := to.abilities(t)
			if *update {
				rows[i] = row + to.rates(t)
			} else if !strings.Contains(string(old), rows[i]) {
				assert.Contains(t, string(old), row)
			}
		})
	}
	if *update && !t.Failed() {
		require.NoError(t, os.WriteFile(table, []byte(tableHead+strings.Join(rows, "\n")+"\n"), 0o644))
	}
}

// abilities is a row of the table without its rates.
func (to target) abilities(t *testing.T) string {
	world := to.serve(t, t.TempDir())
	require.NoError(t, world.WriteFile("a", []byte("hello"), time.Now()))
	passive := talk(t, world, "epsv\n> RETR a\n< 150\nreceive \"hello\"\n< 226\npasv\n> RETR a\n< 150\nreceive \"hello\"\n< 226\n")
	active := world.Has("active")
	if active {
		active = talk(t, world, "port\n> RETR a\n< 150\nreceive \"hello\"\n< 226\n")
	} else {
		assert.True(t, talk(t, world, "> PORT 127,0,0,1,156,64\n< 502\n> EPRT |1|127.0.0.1|40000|\n< 502\n"),
			"it must say that it cannot")
	}
	if !to.tls {
		assert.True(t, talk(t, world, "> FEAT\n< 211\n!|  AUTH*\n> AUTH TLS\n< 502\n"), "it must say that it cannot")
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s | %d |", to.name, to.runtime, yes(passive), yes(active), yes(to.tls),
		sessionsAtOnce(t, world))
}

// talk logs in, holds the conversation of text, and reports whether it goes as written.
func talk(t *testing.T, world script.World, text string) bool {
	t.Helper()
	s, err := script.Parse(t.Name(), "== a\nlogin\n"+text)
	require.NoError(t, err)
	return assert.NoError(t, s.Cases[0].Run(world))
}

func yes(can bool) string {
	if can {
		return "yes"
	}
	return "no"
}

// client is a session of account u.
func client(t testing.TB, world script.Network) *ftp.ServerConn {
	t.Helper()
	c, err := ftp.Dial(world.IPv4.String(), ftp.DialWithTimeout(script.Patience))
	require.NoError(t, err)
	t.Cleanup(func() { c.Quit() })
	require.NoError(t, c.Login("u", "p"))
	return c
}

// sessionsAtOnce is how many of manySessions sessions are served at the same time.
func sessionsAtOnce(t *testing.T, world script.Folder) (served int) {
	var all []*ftp.ServerConn
	for range manySessions {
		all = append(all, client(t, world.Network))
	}
	for _, c := range all {
		if assert.NoError(t, c.NoOp()) {
			served++
		}
	}
	return served
}

// rates are the last columns of a row: how fast one transfer is, relative to the first
// target's in the same minute.
func (to target) rates(t *testing.T) string {
	if to.String() == targets[0].String() {
		return " 1 | 1 |"
	}
	content := script.Bytes(rateSize)
	var ours, theirs [2][]time.Duration
	first, other := targets[0].benchmark(t, content), to.benchmark(t, content)
	for range rateRounds {
		for i := range 2 {
			ours[i] = append(ours[i], first[i]())
			theirs[i] = append(theirs[i], other[i]())
		}
	}
	cell := func(i int) string {
		return fmt.Sprintf(" %.2f |", float64(slices.Min(ours[i]))/float64(slices.Min(theirs[i])))
	}
	return cell(0) + cell(1)
}

// benchmark serves a file, and returns functions that download it and upload it, and tell
// the time that took.
func (to target) benchmark(t *testing.T, content []byte) [2]func() time.Duration {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "file"), content, 0o644))
	c := client(t, to.start(t, root))
	get := func() time.Duration {
		began := time.Now()
		r, err := c.Retr("file")
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, r)
		require.NoError(t, err)
		require.EqualValues(t, len(content), n)
		require.NoError(t, r.Close())
		return time.Since(began)
	}
	put := func() time.Duration {
		began := time.Now()
		require.NoError(t, c.Stor("up", bytes.NewReader(content)))
		return time.Since(began)
	}
	return [2]func() time.Duration{get, put}
}
