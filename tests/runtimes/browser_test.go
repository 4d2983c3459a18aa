package runtimes

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// noBrowser says why host/examples/browser cannot be used here, "" if it can.
func noBrowser() string {
	if why := noNode(); why != "" {
		return why
	}
	if _, err := exec.LookPath("chromium"); err != nil {
		return "there is no chromium; the Debian package of that name has it"
	}
	if _, err := os.Stat("../node/node_modules/playwright-core"); err != nil {
		return "npm ci in tests/node"
	}
	return ""
}

// The page is used as a person would, in Chromium.
func TestBrowser(t *testing.T) {
	t.Parallel()
	if why := noBrowser(); why != "" {
		t.Skip(why)
	}
	files := httptest.NewServer(http.FileServer(http.Dir("../../host")))
	defer files.Close()
	var script strings.Builder
	say := json.NewEncoder(&script)
	for _, step := range [][]string{
		{"type", "LIST", "530 "},
		{"type", "USER demo", "331 "},
		{"type", "PASS wrong", "530 "},
		{"type", "USER demo", "331 "},
		{"type", "PASS demo", "230 "},
		{"type", "LIST", "welcome.txt"},
		{"type", "RETR welcome.txt", "lives in the memory of your browser"},
		{"type", "put hello.txt Hello from a page!", "226 "},
		{"click", "hello.txt", "Hello from a page!"},
		{"save", "hello.txt", "Hello from a page!\r\n"},
		{"type", "PASV", "227 "},
		{"type", "NLST", "226 "},
		{"type", "MKD photos", "257 "},
		{"type", "CWD photos", "250 "},
		{"drop", "drüben.bin", "\x00\x01\n", "226 "},
		{"type", "RETR drüben.bin", "3 bytes came"},
		{"save", "drüben.bin", "\x00\x01\n"},
		{"type", "HASH drüben.bin", "213 SHA-256 0-2 "},
		{"type", "XMD5 drüben.bin", "250 69cf161bcbd1a4ca49aefcb3de11c428"},
		{"type", "FEAT", "MD5;CRC32"},
		{"type", "RNFR drüben.bin", "350 "},
		{"type", "RNTO /moved", "250 "},
		{"type", "APPE /moved", "226 "},
		{"type", "RMD /photos", "250 "},
		{"type", "RETR none", "550 "},
		{"type", "PORT 127,0,0,1,200,200", "200 "},
		{"type", "QUIT", "hung up"},
		{"type", "USER anonymous", "331 "},
		{"type", "PASS me@", "230 "},
		{"type", "DELE moved", "550 "},
		{"type", "LIST", "moved"},
	} {
		require.NoError(t, say.Encode(step))
	}
	chromium, err := exec.LookPath("chromium")
	require.NoError(t, err)
	browse := exec.Command("node", "../node/browser.js", chromium, files.URL+"/examples/browser/")
	browse.Stdin = strings.NewReader(script.String())
	out, err := browse.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
