package tests

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fileZilla is FileZilla on a virtual screen, used by mouse and keyboard.
type fileZilla struct {
	*site
	display string
}

// FileZilla's numbers of protocols.
const (
	fzExplicit = 4
	fzImplicit = 3
	fzPlain    = 6 // without trying AUTH
)

// FileZilla wants data connections to resume the TLS session of their control connection.
// Here the server requires it, too.
func TestClientFileZilla(t *testing.T) {
	t.Parallel()
	for binary, debian := range map[string]string{"filezilla": "filezilla", "Xvfb": "xvfb", "xdotool": "xdotool"} {
		if _, err := exec.LookPath(binary); err != nil {
			t.Skipf("%s is not here; the Debian package %s has it", binary, debian)
		}
	}
	for verb, c := range map[string]struct {
		protocol int
		version  string
		mode     string
	}{
		"PASV": {fzPlain, "1.3", "PASSIVE"},
		"EPRT": {fzPlain, "1.3", "ACTIVE"},
		"EPSV": {fzExplicit, "1.3", "PASSIVE"},
		"PORT": {fzImplicit, "1.2", "ACTIVE"},
	} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			s := newTLSSite(t)
			network := s.open(requiring[c.version], c.protocol == fzImplicit)
			at := network.IPv4
			if verb[0] == 'E' {
				at = network.IPv6
			}
			if !at.IsValid() {
				t.Skip("IPv6 is not here")
			}
			s.put(s.local(".config/filezilla/filezilla.xml"), fmt.Appendf(nil, fileZillaSettings, s.local("log")))
			s.put(s.local(".config/filezilla/sitemanager.xml"),
				fmt.Appendf(nil, fileZillaServer, at.Addr(), at.Port(), c.protocol, c.mode, s.local("here")))
			trust := fmt.Appendf(nil, fileZillaInsecure, at.Port(), at.Addr())
			if c.protocol != fzPlain {
				trust = fmt.Appendf(nil, fileZillaTrust, at.Port(), at.Addr(), ours().certificate.Certificate[0],
					time.Now().Add(-time.Hour).Unix(), time.Now().Add(time.Hour).Unix())
			}
			s.put(s.local(".config/filezilla/trustedcerts.xml"), trust)
			testFileZilla(&s.site, verb)
		})
	}
}

// fileZillaSettings let FileZilla ask nothing, overwrite files, set times and write a
// log.
const fileZillaSettings = `<FileZilla3><Settings>
<Setting name="Greeting version">99.0.0</Setting>
<Setting name="Greeting resources">99.0.0</Setting>
<Setting name="Update Check">0</Setting>
<Setting name="Prompt password save">0</Setting>
<Setting name="Allow transfermode fallback">0</Setting>
<Setting name="File exists action download">1</Setting>
<Setting name="File exists action upload">1</Setting>
<Setting name="Ascii Binary mode">2</Setting>
<Setting name="Preserve timestamps">1</Setting>
<Setting name="Logging">1</Setting>
<Setting name="Logging file">%s</Setting>
</Settings></FileZilla3>`

const fileZillaServer = `<FileZilla3><Servers><Server><Name>s</Name>
<Host>%s</Host><Port>%d</Port><Protocol>%d</Protocol><Type>0</Type><PasvMode>MODE_%s</PasvMode>
<Logontype>1</Logontype><User>u</User><Pass encoding="base64">cA==</Pass>
<LocalDir>%s</LocalDir><RemoteDir>1 0 5 there</RemoteDir>
</Server></Servers></FileZilla3>`

// What FileZilla remembers of a server: that plain FTP is allowed, or that a certificate
// is trusted.
const (
	fileZillaInsecure = `<FileZilla3><InsecureHosts><Host Port="%d">%s</Host></InsecureHosts></FileZilla3>`
	fileZillaTrust    = `<FileZilla3><TrustedCerts><Certificate><Host>%[2]s</Host><Port>%[1]d</Port><Data>%[3]x</Data>
<ActivationTime>%[4]d</ActivationTime><ExpirationTime>%[5]d</ExpirationTime>
<TrustSANs>0</TrustSANs></Certificate></TrustedCerts></FileZilla3>`
)

// testFileZilla downloads and uploads all samples.
func testFileZilla(s *site, verb string) {
	s.offer("there/down")
	s.prepare("here/up")
	date(s.t, s.remote("there/down"))
	date(s.t, s.local("here/up"))

	f := &fileZilla{s, s.screen()}
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Log(f.log())
		}
	})
	s.start(nil, "env", "DISPLAY="+f.display, "DBUS_SESSION_BUS_ADDRESS=disabled:", "NO_AT_BRIDGE=1", "filezilla", "--site=0/s")
	f.await("the listing", func() bool { return strings.Contains(f.log(), `Directory listing of "/there" successful`) })

	const left, right = 0.23, 0.77
	f.choose(right, "d", "Starting download")
	f.await("the download", func() bool { return dated(s.local("here/down")) })
	s.same(s.local("here/down"))

	f.choose(left, "u", "Starting upload")
	f.await("the upload", func() bool { return dated(s.remote("there/up")) })
	s.same(s.remote("there/up"))

	// The upload includes what was downloaded. It has ended when every transfer that
	// started has succeeded.
	f.await("the end", func() bool {
		log := f.log()
		done := strings.Count(log, "File transfer successful")
		return done >= 3*len(samples) && done == strings.Count(log, "Status: Starting ")
	})
	s.same(s.remote("there/down"))
	log := f.log()
	assert.Contains(s.t, log, "Command: "+verb)
	assert.Contains(s.t, log, "Command: MLSD")
	assert.NotContains(s.t, log, "Error:")
}

// then is the modification time of the samples. FileZilla sets times last, so a file with
// this time is complete.
var then = time.Date(2020, 2, 29, 12, 34, 56, 0, time.UTC)

// date sets the modification time of the samples in a directory to then.
func date(t testing.TB, dir string) {
	t.Helper()
	for _, name := range names() {
		require.NoError(t, os.Chtimes(dir+"/"+name, then, then))
	}
}

// dated says whether a directory has all samples, with the time then.
func dated(dir string) bool {
	for _, name := range names() {
		if info, err := os.Stat(dir + "/" + name); err != nil || !info.ModTime().Equal(then) {
			return false
		}
	}
	return true
}

// start runs a program until the test ends.
func (s *site) start(files []*os.File, command ...string) {
	s.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = s.home
	cmd.Env = []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.ExtraFiles = files
	require.NoError(s.t, cmd.Start())
	s.t.Cleanup(func() {
		stop()
		cmd.Wait()
	})
}

// screen starts an X server and returns the name of its display.
func (s *site) screen() string {
	s.t.Helper()
	r, w, err := os.Pipe()
	require.NoError(s.t, err)
	defer r.Close()
	s.start([]*os.File{w}, "Xvfb", "-displayfd", "3", "-screen", "0", "1280x1024x24", "-nolisten", "tcp")
	w.Close()
	require.NoError(s.t, r.SetReadDeadline(time.Now().Add(clientTime)))
	number, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(s.t, err, "Xvfb did not start")
	return ":" + strings.TrimSpace(number)
}

// log is FileZilla's log so far.
func (f *fileZilla) log() string {
	log, _ := os.ReadFile(f.local("log"))
	return string(log)
}

func (f *fileZilla) await(what string, done func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(clientTime); !done(); time.Sleep(50 * time.Millisecond) {
		require.True(f.t, time.Now().Before(deadline), "waiting for %s", what)
	}
}

func (f *fileZilla) xdotool(arguments ...string) string {
	f.t.Helper()
	return f.run("", append([]string{"env", "DISPLAY=" + f.display, "xdotool"}, arguments...)...)
}

// choose selects everything in the list at this part of the window's width, and presses a
// letter of its menu. A program that is still drawing misses clicks and keys, so choose
// tries again until the log shows the effect.
func (f *fileZilla) choose(part float64, letter, effect string) {
	f.t.Helper()
	before := strings.Count(f.log(), effect)
	window := f.window()
	f.await(effect, func() bool {
		f.xdotool("key", "Escape", "mousemove", "--window", window.id, window.at(part), window.below(), "click", "1",
			"key", "ctrl+a", "key", "Menu", "key", letter)
		for range 50 {
			time.Sleep(50 * time.Millisecond)
			if strings.Count(f.log(), effect) > before {
				return true
			}
		}
		return false
	})
}

// window is the main window, the only one whose name ends in FileZilla.
type window struct {
	id            string
	width, height float64
}

func (f *fileZilla) window() (w window) {
	f.t.Helper()
	for line := range strings.Lines(f.xdotool("search", "--sync", "--onlyvisible", "--name", "FileZilla$",
		"getwindowgeometry", "--shell")) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		number, _ := strconv.ParseFloat(value, 64)
		switch key {
		case "WINDOW":
			w.id = value
		case "WIDTH":
			w.width = number
		case "HEIGHT":
			w.height = number
		}
	}
	require.NotEmpty(f.t, w.id)
	return w
}

// at is the x of a part of the window's width. below is a y in the lists, under their
// last lines.
func (w window) at(part float64) string { return strconv.Itoa(int(part * w.width)) }
func (w window) below() string          { return strconv.Itoa(int(0.75 * w.height)) }
