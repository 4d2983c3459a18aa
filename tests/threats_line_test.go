package tests

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/module/ftp"
	"wasiftp/tests/script"
)

// memoryNetwork is a tree in memory on the common server.
func memoryNetwork(t testing.TB) (script.Network, *fsbridge.Memory) {
	files := fsbridge.NewMemory()
	return serveFiles(t, files), files
}

func TestThreat12LineParser(t *testing.T) {
	t.Parallel()
	network, _ := memoryNetwork(t)
	c := login(t, network, "u")
	for _, said := range []struct {
		bytes string
		codes []int
	}{
		{strings.Repeat("\xff", 4000) + "\r\n", nil},
		{strings.Repeat("\xff\xf4\xff\xf2", 1000) + "NOOP\r\n", []int{200}},
		{strings.Repeat("\xff\xfb", 1001) + "\r\nNOOP\r\n", nil},
		{strings.Repeat("\r", 4000) + "\nNOOP\r\n", []int{200}},
		{strings.Repeat("\n", 100_000) + "NOOP\r\n", []int{200}},
		{strings.Repeat("\r\n", 50_000) + "NOOP\r\n", []int{200}},
		{strings.Repeat("\r\x00", 500) + "\r\nNOOP\r\n", nil},
		{"NO\x00OP\r\n", []int{500}},
		{"\x00\r\n", []int{500}},
		{"   NOOP\r\n", []int{200}},
		{"MKD a\x00b\r\n", []int{501}},
		{"NOOP\rNOOP\r\n", []int{500}},
		{strings.Repeat("A", 1<<20) + "\r\nNOOP\r\n", []int{500, 200}},
		{"CWD " + strings.Repeat("\xff\xff", 1<<19) + "\r\nNOOP\r\n", []int{500, 200}},
	} {
		c.send(said.bytes)
		// SYST marks the end: the replies before its own are those to the bytes.
		c.send("\r\nSYST\r\n")
		var codes []int
		for {
			code := c.reply().Code
			if code == 215 {
				break
			}
			codes = append(codes, code)
		}
		label := fmt.Sprintf("%.20q", said.bytes)
		if said.codes != nil {
			assert.Equal(t, said.codes, codes, label)
		}
		assert.LessOrEqual(t, len(codes), 2, label)
	}
	// A whole conversation in segments of one byte.
	for _, b := range "pwd\r\nTYPE A\r\n" {
		c.send(string(b))
	}
	assert.Equal(t, 257, c.reply().Code)
	assert.Equal(t, 200, c.reply().Code)
}

// TestThreat13LongArguments runs by itself: it looks at the memory of the whole
// process.
func TestThreat13LongArguments(t *testing.T) {
	const limit = 4096
	network, _ := memoryNetwork(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, verb := range ftp.Verbs() {
		if verb.Name == "QUIT" || verb.Name == "REIN" {
			continue
		}
		c := login(t, network, "u")
		marker, end := "SYST", 215
		if verb.Name == marker {
			marker, end = "FEAT", 211
		}
		for _, length := range []int{0, 1, limit - 1 - len(verb.Name), limit - len(verb.Name), limit + 1, 64 << 10} {
			c.send(verb.Name + " " + strings.Repeat("a", length) + "\r\n" + marker + "\r\n")
			r := c.reply()
			if length+len(verb.Name)+1 > limit {
				assert.Equal(t, 500, r.Code, "%s with %d bytes", verb.Name, length)
			}
			if r.Code == 150 { // a listing whose data connection never comes
				t.Fatalf("%s went on without a data connection", verb.Name)
			}
			if r.Code == 331 {
				assert.LessOrEqual(t, length, 255, "a user name of %d bytes", length)
			}
			for r.Code != end {
				r = c.reply()
			}
			if verb.Name == "USER" || verb.Name == "PASS" {
				c.do("USER u")
				require.Equal(t, 230, c.do("PASS p"))
			}
		}
		c.control.Close()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(64<<20))
}

func TestThreat14VerbsBeforeLogin(t *testing.T) {
	t.Parallel()
	// The verbs that may answer before the login (CLIENTS.md, "Login and negotiation").
	allowed := []string{"USER", "PASS", "ACCT", "REIN", "QUIT", "FEAT", "OPTS", "HELP", "NOOP", "SYST", "CLNT",
		"AUTH", "PBSZ", "PROT", "CCC", "HOST", "LANG", "CSID"}
	network, files := memoryNetwork(t)
	require.NoError(t, putFile(files, "f", []byte("x"), past))
	states := map[string]func(c *talk){
		"before USER": func(*talk) {},
		"after USER":  func(c *talk) { require.Equal(t, 331, c.do("USER u")) },
		"after a failed PASS": func(c *talk) {
			require.Equal(t, 331, c.do("USER u"))
			require.Equal(t, 530, c.do("PASS wrong"))
		},
		"after REIN": func(c *talk) {
			require.Equal(t, 331, c.do("USER u"))
			require.Equal(t, 230, c.do("PASS p"))
			require.Equal(t, 220, c.do("REIN"))
		},
		"after USER in a session that was logged in": func(c *talk) {
			require.Equal(t, 331, c.do("USER u"))
			require.Equal(t, 230, c.do("PASS p"))
			require.Equal(t, 331, c.do("USER ro"))
		},
	}
	arguments := map[string]string{"PORT": " 127,0,0,1,200,1", "EPRT": " |1|127.0.0.1|51201|", "TYPE": " I", "STRU": " F",
		"MODE": " S", "REST": " 1", "ALLO": " 1", "SITE": " CHMOD 777 f", "MFMT": " 20200102030405 f"}
	for state, reach := range states {
		for _, verb := range ftp.Verbs() {
			if slices.Contains(allowed, verb.Name) {
				continue
			}
			argument, ok := arguments[verb.Name]
			if !ok && verb.Argument != ftp.NoArgument {
				argument = " f"
			}
			c := connect(t, network)
			reach(c)
			assert.Equal(t, 530, c.do(verb.Name+argument), "%s %s", verb.Name, state)
			c.control.Close()
		}
	}
	b, err := files.Open("f")
	require.NoError(t, err)
	assert.Equal(t, "x", stolen(b))
}

// evilNames are names that could end a line or a fact.
var evilNames = []string{"a\rb", "a;size=0;type=dir; b", " lead", "trail ", "a\x1b[2Jb", "a\x7fb", "\xff\xfe\xfd", "\xffstart",
	"a\xffb", strings.Repeat("n", 255), "type=cdir;", "-rw", "a\tb", "\xc3\x28", "a\x00b"[:1] + "\x01"}

func TestThreat20Facts(t *testing.T) {
	t.Parallel()
	network, files := memoryNetwork(t)
	names := append(slices.Clone(evilNames), "a\nb", "a\r\nb", "a\r\n250 done", "x\r\ntype=file;size=1; forged")
	for _, name := range names {
		require.NoError(t, putFile(files, name, []byte("x"), past))
	}
	c := login(t, network, "u")
	require.Equal(t, 200, c.do("OPTS MLST type;size;"))
	listing, code := c.get("MLSD")
	require.Equal(t, 226, code)
	entries := strings.SplitAfter(string(listing), "\r\n")
	require.Empty(t, entries[len(entries)-1], "the listing ends within a line")
	for _, line := range entries[:len(entries)-1] {
		text := strings.TrimSuffix(line, "\r\n")
		assert.NotContains(t, text, "\n")
		name, ok := strings.CutPrefix(text, "type=file;size=1; ")
		assert.True(t, ok, "%q", text)
		assert.NotEqual(t, "forged", name, "a name made a line of its own")
	}
	for _, verb := range []string{"LIST", "NLST"} {
		listing, code := c.get(verb)
		require.Equal(t, 226, code)
		assert.LessOrEqual(t, strings.Count(string(listing), "\n"), len(names), verb)
		assert.Equal(t, strings.Count(string(listing), "\n"), strings.Count(string(listing), "\r\n"), verb)
	}
	// MLST and STAT reply on the control connection, where a forged line does more harm.
	for _, name := range evilNames {
		escaped := strings.ReplaceAll(strings.ReplaceAll(name, "\xff", "\xff\xff"), "\r", "\r\x00")
		r := c.say("MLST " + escaped)
		if assert.Equal(t, 250, r.Code, "%q", name) {
			assert.Len(t, r.Lines, 3, "%q", name)
		}
		assert.Equal(t, 213, c.do("STAT "+escaped), "%q", name)
	}
	assert.LessOrEqual(t, len(c.say("STAT .").Lines), len(names)+2)
	c.alive()
}

func TestThreat21ReplySplitting(t *testing.T) {
	t.Parallel()
	network, _ := memoryNetwork(t)
	c := login(t, network, "u")
	for _, name := range append(slices.Clone(evilNames), `quote"d`, `""`, "a\r\x00b") {
		escaped := strings.ReplaceAll(strings.ReplaceAll(name, "\xff", "\xff\xff"), "\r", "\r\x00")
		for _, verb := range []string{"MKD", "CWD", "PWD", "CDUP", "RETR", "SIZE", "RMD", "DELE", "HELP", "CLNT", "SITE", "USER"} {
			line := verb + " " + escaped
			if verb == "PWD" || verb == "CDUP" {
				line = verb
			}
			c.send(line + "\r\nSYST\r\n")
			// Read as bytes: ReadReply forgives as little, but its errors say less.
			raw, err := c.in.ReadString('\n')
			require.NoError(t, err)
			body := strings.TrimSuffix(raw, "\r\n")
			for _, b := range []byte(body) {
				require.True(t, b >= ' ' && b != 0x7f, "%q has a control byte", raw)
			}
			if verb == "MKD" && strings.HasPrefix(body, "257 ") {
				quoted := body[strings.IndexByte(body, '"')+1 : strings.LastIndexByte(body, '"')]
				assert.Zero(t, strings.Count(strings.ReplaceAll(quoted, `""`, ""), `"`), "%q", body)
			}
			if body[3] == '-' {
				for !strings.HasPrefix(raw, body[:3]+" ") {
					raw, err = c.in.ReadString('\n')
					require.NoError(t, err)
				}
			}
			require.Equal(t, 215, c.reply().Code, "%q brought about more than one reply", line)
		}
		require.Equal(t, 331, c.do("USER u"))
		require.Equal(t, 230, c.do("PASS p"))
	}
}

func TestThreat23CrossProtocol(t *testing.T) {
	t.Parallel()
	network, _ := memoryNetwork(t)
	for _, first := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\nUSER: u\r\n\r\nUSER u\r\nPASS p\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nUSER u\r\nPASS p\r\nDELE x\r\n",
		"PUT /x HTTP/1.1\r\n\r\n", "OPTIONS * HTTP/1.0\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n", "CONNECT a:21 HTTP/1.1\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"EHLO a\r\n", "HELO a\r\n",
		"SSH-2.0-OpenSSH_9\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 300),
	} {
		c := connect(t, network)
		c.send(first)
		rest, err := io.ReadAll(c.in)
		assert.True(t, err == nil || script.IsReset(err), "%q: %v", first, err)
		assert.NotContains(t, string(rest), "331", "%.20q", first)
		assert.NotContains(t, string(rest), "230", "%.20q", first)
		assert.LessOrEqual(t, strings.Count(string(rest), "\r\n"), 1, "%.20q", first)
	}
	// Before the login a few bad commands end the session.
	c := connect(t, network)
	c.send(strings.Repeat("XYZZY\r\n", 100))
	rest, _ := io.ReadAll(c.in)
	assert.Less(t, strings.Count(string(rest), "\r\n"), 20)
	// After the login they don't: they are a person's mistakes.
	c = login(t, network, "u")
	for range 100 {
		require.Equal(t, 500, c.do("XYZZY"))
	}
}

// The greeting must not forge replies either.
func TestThreat21GreetingSplitting(t *testing.T) {
	t.Parallel()
	_, err := host.New(host.Config{Greeting: "hello\r\n230 logged in"})
	assert.ErrorContains(t, err, "Greeting")
}
