package tests

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// ruledSite is a server on a folder, whose account u has rules.
func ruledSite(t *testing.T) (root string, network script.Network) {
	t.Helper()
	root = t.TempDir()
	for _, dir := range []string{"in", "archive/2024", "private/deep", "private/shared"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	for _, file := range []string{"archive/2024/a.txt", "private/deep/secret", "private/shared/b.txt", "archive/2024/.git"} {
		require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte("content"), 0o644))
	}
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{NoLinks: true})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	rules, err := fsbridge.CompileRules([]fsbridge.Rule{
		{Pattern: "/archive/**", Rights: host.ReadOnly},
		{Pattern: "/in", Rights: host.ReadWrite, MaxSize: 100_000, Refuse: []string{"*.exe"}},
		{Pattern: "/private"},
		{Pattern: "/private/shared", Rights: host.ReadOnly},
		{Pattern: "/**/.git"},
	})
	require.NoError(t, err)
	_, network = serve(t, host.Config{
		Allow: host.Allow{SiteCopy: true, SiteSymlink: true, SiteRmdir: true, Combine: true},
		Authenticator: host.AuthenticatorFunc(func(context.Context, host.Login) (*host.Account, error) {
			return &host.Account{FS: dir, Rights: host.RightList, Rules: rules}, nil
		}),
	})
	return root, network
}

// What a client is told where its rights differ.
func TestRules(t *testing.T) {
	t.Parallel()
	root, network := ruledSite(t)
	c := login(t, network, "u")
	for _, test := range []struct {
		line string
		code int
	}{
		{"CWD archive/2024", 250}, {"CWD /private", 250}, {"CWD /private/shared", 250}, {"CWD /private/deep", 550}, {"CWD /", 250},
		{"SIZE archive/2024/a.txt", 213}, {"SIZE private/deep/secret", 550}, {"MDTM archive/2024/.git", 550},
		{"DELE archive/2024/a.txt", 550}, {"MKD archive/new", 550}, {"MKD in/new", 257}, {"MKD private/new", 550},
		{"SITE COPY archive/2024/a.txt in/copy", 250}, {"SITE COPY in/copy archive/copy", 550},
		{"SITE COPY private/deep/secret in/secret", 550}, {"SITE COPY in/copy private/deep/secret", 553},
		{"RNFR in/copy", 350}, {"RNTO archive/copy", 550}, {"RNFR in/copy", 350}, {"RNTO in/copy.exe", 553},
		{"RNFR in/copy", 350}, {"RNTO in/renamed", 250}, {"SITE SYMLINK in/renamed in/link", 550},
		{"SITE RMDIR in/new", 250}, {"SITE RMDIR private", 550}, {"MLST private/deep", 550},
	} {
		r := c.say(test.line)
		assert.Equal(t, test.code, r.Code, "%s: %s", test.line, r.Text())
	}
	names, code := c.get("NLST")
	assert.Equal(t, "archive\r\nin\r\nprivate\r\n", string(names))
	assert.Equal(t, 226, code)
	names, _ = c.get("NLST private")
	assert.Equal(t, "private/shared\r\n", string(names))
	names, _ = c.get("NLST archive/2024")
	assert.Equal(t, "archive/2024/a.txt\r\n", string(names))

	assert.Equal(t, 226, c.store("STOR in/up", string(script.Bytes(100_000))))
	assert.Equal(t, 552, c.store("STOR in/large", string(script.Bytes(100_001))))
	assert.Equal(t, 552, c.store("APPE in/up", "x"))
	assert.Equal(t, 553, c.store("STOR in/up.exe", "x"))
	assert.Equal(t, 350, c.do("REST 3"))
	assert.Equal(t, 553, c.store("STOR in/up.exe", "x"), "it is the name's fault, not the offset's")
	assert.Equal(t, 553, c.store("APPE in/up.exe", "x"))
	assert.Equal(t, 550, c.store("STOR archive/up", "x"))
	assert.Equal(t, 553, c.store("STOR private/deep/secret", "x"))
	secret, err := os.ReadFile(filepath.Join(root, "private/deep/secret"))
	require.NoError(t, err)
	assert.Equal(t, "content", string(secret))
}

// MLSD and MLST tell the rights to each file.
func TestRulesPerm(t *testing.T) {
	t.Parallel()
	_, network := ruledSite(t)
	c := login(t, network, "u")
	require.Equal(t, 226, c.store("STOR in/up", "x"))
	require.Equal(t, 200, c.do("OPTS MLST type;perm;"))
	list, _ := c.get("MLSD")
	assert.Equal(t, "type=dir;perm=el; archive\r\ntype=dir;perm=elcdpfm; in\r\ntype=dir;perm=el; private\r\n", string(list))
	list, _ = c.get("MLSD archive/2024")
	assert.Equal(t, "type=file;perm=r; a.txt\r\n", string(list))
	list, _ = c.get("MLSD in")
	assert.Equal(t, "type=file;perm=rawdf; up\r\n", string(list))
	assert.Contains(t, c.say("MLST archive").Text(), "perm=el;")
	assert.Contains(t, c.say("MLST /").Text(), "perm=l;")
}

// Real clients get on with rules.
func TestClientRules(t *testing.T) {
	t.Parallel()
	t.Run("curl", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, "curl", "curl")
		root, network := ruledSite(t)
		s.put(s.local("small"), script.Bytes(1000))
		s.put(s.local("large"), script.Bytes(300_000))
		base, curl := "ftp://"+network.IPv4.String()+"/", []string{"curl", "-sS", "-g", "--user", "u:p"}
		with := func(more ...string) []string { return append(append([]string{}, curl...), more...) }
		s.run("", with("-T", "small", base+"in/small")...)
		s.content(filepath.Join(root, "in/small"), script.Bytes(1000))
		assert.Equal(t, "content", s.run("", with(base+"archive/2024/a.txt")...))
		assert.Equal(t, "content", s.run("", with(base+"private/shared/b.txt")...))
		for want, command := range map[string][]string{
			"553":           with("-T", "small", base+"in/small.exe"),
			"550":           with("-T", "small", base+"archive/small"),
			"Server denied": with(base + "private/deep/secret"),
		} {
			out, err := s.try("", command...)
			assert.Error(t, err, "%q", command)
			assert.Contains(t, out, want, "%q", command)
		}
		out, err := s.try("", with("-T", "large", base+"in/large")...)
		assert.Error(t, err)
		assert.Regexp(t, "Exceeded|reset", out, "the connection ends before curl has sent all")
	})
	t.Run("lftp", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, "lftp", "lftp")
		root, network := ruledSite(t)
		s.put(s.local("up/small"), script.Bytes(1000))
		out := s.lftp(network.IPv4, "set ftp:use-mlsd true", "find", "mirror / all", "mirror -R up in/up")
		assert.Contains(t, out, "./private/shared/b.txt\n")
		assert.NotContains(t, out, "deep")
		assert.NotContains(t, out, ".git")
		s.content(s.local("all/archive/2024/a.txt"), []byte("content"))
		s.content(filepath.Join(root, "in/up/small"), script.Bytes(1000))
	})
}
