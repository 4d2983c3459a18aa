package tests

import (
	"crypto/tls"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/module/ftp"
)

// Every verb that the engine knows counts by its name, once a command, also if all come at once.
func TestCountsKnowTheEnginesVerbs(t *testing.T) {
	t.Parallel()
	server, network := serve(t, host.Config{Authenticator: accounts(fsbridge.NewMemory())})
	c := login(t, network, "u")
	var lines strings.Builder
	want := map[string]uint64{"USER": 1, "PASS": 1, "TYPE": 1, "other": 1}
	for _, v := range ftp.Verbs() {
		if v.Name == "REIN" || v.Name == "QUIT" || v.Name == "USER" {
			continue
		}
		want[v.Name]++
		lines.WriteString(strings.ToLower(v.Name) + " \r\n")
	}
	c.send(lines.String() + "SITE HELP\r\nFEAT\r\nXYZZY plugh\r\nREIN\r\nUSER u\r\nQUIT\r\n")
	want["SITE"]++
	want["FEAT"]++
	want["REIN"]++
	want["USER"]++
	want["QUIT"]++
	c.ended()
	got := map[string]uint64{}
	counted := server.Counts().Commands
	for command, n := range counted {
		assert.True(t, command.Code >= 200 && command.Code < 600, "%+v", command)
		got[command.Verb] += n
	}
	assert.Equal(t, want, got)
	for verb, code := range map[string]int{"other": 500, "REIN": 220, "QUIT": 221, "PASS": 230, "NOOP": 200, "RETR": 501} {
		assert.EqualValues(t, 1, counted[host.Command{Verb: verb, Code: code}], verb)
	}
	assert.EqualValues(t, 2, counted[host.Command{Verb: "FEAT", Code: 211}])
}

// During a transfer its own reply, that of ABOR, of NOOP and of held commands count for their
// commands. Its bytes count while it is under way.
func TestCountsDuringTransfer(t *testing.T) {
	t.Parallel()
	server, network := serve(t, host.Config{Authenticator: accounts(fsbridge.NewMemory())})
	c := login(t, network, "u")
	d := c.data()
	require.Equal(t, 150, c.do("STOR a"))
	_, err := d.Write(make([]byte, 200<<10))
	require.NoError(t, err)
	eventually(t, "the bytes count", func() bool { return server.Counts().Received > 0 }) // by pieces
	now := server.Counts()
	assert.Equal(t, 1, now.Sessions[host.SessionState{LoggedIn: true, Doing: "upload"}])
	assert.Equal(t, 1, now.Uploads)
	assert.Equal(t, host.Load{Busy: 1}, now.OpenFiles)
	assert.Equal(t, 1, now.Instances)
	assert.Greater(t, now.Memory, int64(1<<20))
	assert.EqualValues(t, 1, now.Passive)
	received := now.Received
	c.send("NOOP\r\n")
	assert.Equal(t, 200, c.reply().Code)
	c.send("PWD\r\nABOR\r\n")
	for _, code := range []int{426, 226, 257} {
		assert.Equal(t, code, c.reply().Code)
	}
	eventually(t, "the upload is closed", func() bool { return server.Counts().OpenFiles.Busy == 0 })
	now = server.Counts()
	for verb, code := range map[string]int{"STOR": 426, "NOOP": 200, "ABOR": 226, "PWD": 257} {
		assert.EqualValues(t, 1, now.Commands[host.Command{Verb: verb, Code: code}], verb)
	}
	assert.GreaterOrEqual(t, now.Received, received)
	assert.LessOrEqual(t, now.Received, uint64(200<<10), "ABOR may have overtaken some")
	assert.Equal(t, 0, now.Uploads)
	assert.Equal(t, 1, now.Sessions[host.SessionState{LoggedIn: true}])
}

// Handshakes count by connection, version and resumption, and AUTH among the commands.
func TestCountsOfTLS(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		files := fsbridge.NewMemory()
		server, network := serve(t, host.Config{Authenticator: accounts(files), TLS: host.TLS{Config: serverTLS()}})
		c := loginTLS(t, network, clientTLS(version))
		require.Equal(t, 226, c.store("STOR a", "content"))
		c.config = &tls.Config{RootCAs: ours().pool, ServerName: "localhost", MaxVersion: version} // no session to resume
		require.Equal(t, 226, c.store("STOR b", "content"))
		now := server.Counts()
		assert.Equal(t, map[host.Handshake]uint64{
			{Version: version}: 1, {Data: true, Version: version, Resumed: true}: 1, {Data: true, Version: version}: 1,
		}, now.Handshakes)
		assert.EqualValues(t, 1, now.Commands[host.Command{Verb: "AUTH", Code: 234}])
		assert.Equal(t, 1, now.Sessions[host.SessionState{LoggedIn: true, TLSVersion: version}])

		bad := connect(t, network)
		require.Equal(t, 234, bad.do("AUTH TLS"))
		bad.send("no handshake, and long enough for one")
		io.Copy(io.Discard, bad.in)
		eventually(t, "the failure counts", func() bool { return server.Counts().Handshakes[host.Handshake{}] == 1 })
	})
}

// What instances have counted stays when they end.
func TestCountsOutliveInstances(t *testing.T) {
	t.Parallel()
	server, network := serve(t, host.Config{Authenticator: accounts(fsbridge.NewMemory()), SessionsPerInstance: 1})
	var clients sync.WaitGroup
	const sessions = 6
	for range sessions {
		c := connect(t, network)
		clients.Go(func() {
			c.send("USER u\r\nPASS p\r\nNOOP\r\nQUIT\r\n")
			c.ended()
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		clients.Wait()
	}()
	noop, before := host.Command{Verb: "NOOP", Code: 200}, host.Counts{}
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		now := server.Counts()
		assert.True(t, now.Commands[noop] >= before.Commands[noop] && now.Fuel >= before.Fuel && now.Steps >= before.Steps &&
			now.Started >= before.Started, "%+v after %+v", now, before)
		before = now
	}
	eventually(t, "no instance is left", func() bool { return server.Counts().Instances == 0 })
	now := server.Counts()
	assert.EqualValues(t, sessions, now.Commands[noop])
	assert.EqualValues(t, sessions, now.Started)
	assert.Greater(t, now.Fuel, now.Steps)
	assert.Zero(t, now.Memory)
}
