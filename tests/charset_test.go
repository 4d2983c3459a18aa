package tests

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// TestCharset: files have UTF-8 names, and clients write them in the character
// set of their account until they say OPTS UTF8 ON.
func TestCharset(t *testing.T) {
	t.Parallel()
	files, seen := fsbridge.NewMemory(), &events{}
	for _, name := range []string{"café.txt", "表.txt", "表/ソ.txt"} {
		if dir, _, found := strings.Cut(name, "/"); found {
			require.NoError(t, files.Mkdir(dir, nil))
		}
		require.NoError(t, putFile(files, name, []byte(name), past))
	}
	_, network := serve(t, host.Config{
		Charset: "windows-1252", Observer: seen,
		Authenticator: host.AuthenticatorFunc(func(_ context.Context, l host.Login) (*host.Account, error) {
			account := host.Account{FS: files, Rights: host.ReadWrite | host.RightAdmin}
			account.Charset = map[string]string{"j": "Shift_JIS", "wrong": "UTF-16"}[l.User]
			return &account, nil
		}),
	})
	for _, account := range []struct{ user, cafe, table, in string }{
		{"u", "caf\xe9.txt", "%u8868", "%u30BD.txt"}, {"j", "caf%u00E9.txt", "\x95\\", "\x83\\.txt"},
	} {
		c := login(t, network, account.user)
		for _, verb := range []string{"NLST", "LIST", "MLSD", "LIST -a"} {
			content, code := c.get(verb)
			assert.Equal(t, 226, code)
			for _, name := range []string{account.cafe, account.table + ".txt", account.table} {
				assert.Contains(t, string(content), name+"\r\n", verb)
			}
		}
		content, code := c.get("RETR " + account.table + "/" + account.in)
		assert.Equal(t, 226, code)
		assert.Equal(t, "表/ソ.txt", string(content))
		assert.Equal(t, 250, c.do("CWD "+account.table))
		assert.Equal(t, `"/`+account.table+`" is the current directory.`, c.say("PWD").Text())
		content, _ = c.get("NLST")
		assert.Equal(t, account.in+"\r\n", string(content))

		assert.Equal(t, 200, c.do("OPTS UTF8 ON"))
		assert.Equal(t, `"/表" is the current directory.`, c.say("PWD").Text())
		content, _ = c.get("NLST")
		assert.Equal(t, "ソ.txt\r\n", string(content))
		assert.Equal(t, 213, c.do("SIZE ソ.txt"))
		assert.Equal(t, 550, c.do("SIZE "+account.in))
		assert.Equal(t, 200, c.do("OPTS UTF8 OFF"))
		assert.Equal(t, 213, c.do("SIZE "+account.in))
		assert.Equal(t, 220, c.do("REIN"))
	}

	c := login(t, network, "u")
	assert.Equal(t, 226, c.store("STOR \x80uro", "€"))
	assert.Equal(t, 350, c.do("RNFR \x80uro"))
	assert.Equal(t, 250, c.do("RNTO %u65E5"))
	assert.Equal(t, 257, c.do("MKD \xfc"))
	assert.Equal(t, 250, c.do("RMD \xfc"))
	holds(t, files, "日", "€")
	assert.Equal(t, "/€uro", seen.of(host.Uploaded)[0].Path)
	assert.Equal(t, "/日", seen.of(host.Renamed)[0].To)

	d := c.data()
	require.Equal(t, 150, c.do("STOR \x80uro"))
	who := login(t, network, "u")
	assert.Contains(t, who.say("SITE WHO").Text(), "STOR /\x80uro")
	assert.Equal(t, 200, who.do("OPTS UTF8 ON"))
	assert.Contains(t, who.say("SITE WHO").Text(), "STOR /€uro")
	d.Close()
	assert.Equal(t, 226, c.reply().Code)

	c = login(t, network, "j")
	for _, bad := range []string{"\x80", "\x95", "a\xff\xff", "%u0025", "\x87\x90"} {
		assert.Equal(t, 553, c.store("STOR "+bad, "x"), "%q", bad)
		assert.Equal(t, 550, c.do("DELE "+bad), "%q", bad)
	}
	c = connect(t, network)
	assert.Equal(t, 331, c.do("USER wrong"))
	assert.Equal(t, 530, c.do("PASS p"))

	_, err := host.New(host.Config{Charset: "IBM037"})
	assert.ErrorContains(t, err, "ASCII is not ASCII")
}

const charsetProgram = `
import ftplib, sys
ftp = ftplib.FTP(timeout=20, encoding="cp932")
ftp.connect(sys.argv[1], int(sys.argv[2]))
ftp.login("u", "p")
with open("up.bin", "rb") as f:
    ftp.storbinary("STOR \u8868.bin", f)
print([name for name, facts in ftp.mlsd() if facts["type"] == "file"] == ftp.nlst() == ["\u8868.bin"])
with open("down.bin", "wb") as f:
    ftp.retrbinary("RETR \u8868.bin", f.write)
ftp.quit()
ftp = ftplib.FTP(timeout=20)
ftp.connect(sys.argv[1], int(sys.argv[2]))
ftp.sendcmd("OPTS UTF8 ON")
ftp.login("u", "p")
print(ftp.nlst() == ["\u8868.bin"])
ftp.quit()
`

// TestClientCharset: Python in the character set of Windows in Japan, and in UTF-8.
func TestClientCharset(t *testing.T) {
	t.Parallel()
	s := newSite(t, "python3", "python3")
	dir, err := fsbridge.OpenDir(s.Root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	_, network := serve(t, host.Config{Authenticator: accounts(dir), Charset: "Shift_JIS"})
	s.put(s.local("up.bin"), samples["64k+1.bin"])
	assert.Equal(t, "True\nTrue\n", s.run(charsetProgram, "python3", "-", "127.0.0.1", portText(network.IPv4)))
	s.content(s.remote("表.bin"), samples["64k+1.bin"])
	s.content(s.local("down.bin"), samples["64k+1.bin"])
}
