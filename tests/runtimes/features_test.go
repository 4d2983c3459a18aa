package runtimes

import (
	"errors"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/module/ftp"
)

// features are parts of FEAT's reply, each with a command that works if the part is true.
var features = [][2]string{
	{"HASH", "HASH file"}, {"XCRC", "XCRC file"}, {"XMD5", "XMD5 file"}, {"XSHA1", "XSHA1 file"}, {"XSHA256",
		"XSHA256 file"}, {"XSHA512", "XSHA512 file"},
	{"MODE Z", "MODE Z"}, {"AVBL", "AVBL"}, {"EPRT", "EPRT |1|127.0.0.1|2000|"}, {"EPSV", "EPSV"}, {"CCC", "CCC"}, {"SSCN",
		"SSCN ON"}, {"CPSV", "CPSV"},
	{"MDTM", "MDTM file"}, {"MFMT", "MFMT 20200101000000 file"}, {"COMB", "COMB both file other"},
	{"UNIX.mode;", "MFF UNIX.mode=644; file"}, {"Modify;", "MFF Modify=20200101000000; file"},
	{"SIZE", "SIZE file"}, {"REST STREAM", "REST 0"}, {"RANG STREAM", "RANG 1 2"}, {"MLST", "MLST file"}, {"UTF8", "OPTS UTF8 ON"},
	{"TVFS", "CWD /"}, {"CLNT", "CLNT test"}, {"CSID", "CSID Name=test;"}, {"LANG EN*", "LANG EN"},
	{"PBSZ", "PBSZ 0"}, {"PROT", "PROT P"}, {"AUTH TLS", "AUTH TLS"}, // nowhere: none of them has a certificate here
}

// algorithms are those that FEAT names in its line HASH.
var algorithms = []string{"SHA-256", "SHA-512", "SHA-1", "MD5", "CRC32"}

// siteCommands are lines of SITE HELP, each with a command that works if the line is
// true.
var siteCommands = [][2]string{
	{"SITE CHMOD", "SITE CHMOD 644 file"}, {"SITE UTIME", "SITE UTIME 20200101000000 file"}, {"SITE MKDIR", "SITE MKDIR new/dir"},
	{"SITE UMASK", "SITE UMASK 022"}, {"SITE COPY", "SITE COPY file copy"}, {"SITE SYMLINK", "SITE SYMLINK file link"},
	{"SITE RMDIR", "SITE RMDIR dir"}, {"SITE WHO", "SITE WHO"}, {"SITE KICK", "SITE KICK 1"}, {"SITE IDLE", "SITE IDLE 60"},
}

// FEAT and SITE HELP list a feature if and only if it works.
func TestFeaturesAreTrue(t *testing.T) {
	eachTarget(t, func(t *testing.T, to target) {
		world := to.serve(t, t.TempDir())
		for _, name := range []string{"file", "other", "dir/file"} {
			path := filepath.Join(world.Root, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte("hello"), 0o644))
		}
		c := login(t, world.Network, "u")
		features := slices.Clone(features)
		for _, a := range algorithms {
			features = append(features, [2]string{a, "OPTS HASH " + a}, [2]string{a, "HASH file"})
		}
		told := say(t, c, 211, "FEAT")
		for _, f := range features {
			assert.Equal(t, works(t, c, f[1]), strings.Contains(told, f[0]), "%s, which FEAT tells of or not:\n%s", f, told)
		}
		say(t, c, 200, "MODE S")
		told = say(t, c, 214, "SITE HELP")
		for _, f := range siteCommands {
			assert.Equal(t, works(t, c, f[1]), strings.Contains(told, f[0]), "%s, which SITE HELP tells of or not:\n%s", f, told)
		}
	})
}

// Every feature and every command of SITE has a row above. HOST, which comes before the
// login, has rfc7151-host.txt instead, and MFF has the rows of its facts.
func TestEveryFeatureIsTried(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{"HOST": true, "MFF": true, "SITE HELP": true, "SITE CPFR": true, "SITE CPTO": true}
	for _, f := range slices.Concat(features, siteCommands) {
		tried[f[0]] = true
	}
	for _, v := range ftp.Verbs() {
		assert.True(t, v.Feature == "" || tried[v.Feature], v.Feature)
	}
	for _, v := range ftp.SiteVerbs() {
		assert.True(t, tried["SITE "+v.Name], v.Name)
	}
}

// works says whether a command has a reply below 400.
func works(t *testing.T, c *textproto.Conn, line string) bool {
	t.Helper()
	require.NoError(t, c.PrintfLine("%s", line))
	code, _, err := c.ReadResponse(0)
	var broken *textproto.Error
	require.True(t, err == nil || errors.As(err, &broken), "%v", err)
	return code < 400
}
