package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// commonsNet compiles Main.java once and returns its class path, or "" and the reason.
var commonsNet = sync.OnceValues(func() (classPath, missing string) {
	for _, binary := range []string{"java", "javac"} {
		if _, err := exec.LookPath(binary); err != nil {
			return "", binary + " is not here; the Debian package default-jdk-headless has it"
		}
	}
	jar := commonsNetJar()
	if jar == "" {
		return "", "commons-net is not here; mvn dependency:get -Dartifact=commons-net:commons-net:3.11.1 fetches it"
	}
	classes := filepath.Join(temporary, "commonsnet")
	out, err := exec.Command("javac", "-encoding", "UTF-8", "-cp", jar, "-d", classes,
		"testdata/commonsnet/Main.java").CombinedOutput()
	if err != nil {
		panic(fmt.Sprintf("javac: %v\n%s", err, out))
	}
	return jar + string(filepath.ListSeparator) + classes, ""
})

// commonsNetJar is the path of commons-net's jar: that of $COMMONS_NET_JAR, Maven's or
// Debian's, or "" if there is none.
func commonsNetJar() string {
	if named := os.Getenv("COMMONS_NET_JAR"); named != "" {
		return named
	}
	home, _ := os.UserHomeDir()
	jars, _ := filepath.Glob(home + "/.m2/repository/commons-net/commons-net/*/commons-net-*[0-9].jar")
	if len(jars) > 0 {
		return jars[len(jars)-1]
	}
	const debian = "/usr/share/java/commons-net.jar"
	if _, err := os.Stat(debian); err == nil {
		return debian
	}
	return ""
}

func TestClientCommonsNet(t *testing.T) {
	t.Parallel()
	classPath, missing := commonsNet()
	if missing != "" {
		t.Skip(missing)
	}
	for _, c := range []struct{ security, verb, version string }{
		{"plain", "EPSV", "1.3"}, {"plain", "PASV", "1.3"}, {"plain", "EPRT", "1.3"}, {"plain", "PORT", "1.3"},
		{"explicit", "EPSV", "1.3"}, {"explicit", "PORT", "1.2"}, {"implicit", "PASV", "1.3"}, {"implicit", "EPRT", "1.2"},
	} {
		t.Run(c.security+" "+c.verb, func(t *testing.T) {
			t.Parallel()
			s := newTLSSite(t)
			network := s.open(preferring[c.version], c.security == "implicit")
			at := network.IPv4
			if c.verb == "EPRT" {
				at = network.IPv6 // by IPv4 it says PORT
			}
			if !at.IsValid() {
				t.Skip("IPv6 is not here")
			}
			s.put(s.remote("up.bin"), samples["large.bin"])
			s.offer("d")
			s.prepare("d")
			out := s.run("", "java", "-cp", classPath, "Main",
				c.security, c.verb, at.Addr().String(), portText(at), "d", "ca.pem")
			assert.Contains(t, out, "all is well")
			assert.Contains(t, out, "\n"+c.verb)
			s.same(s.remote("d/up"))
			s.content(s.remote("d/text"), []byte("one\ntwo\n"))
			s.content(s.remote("stream"), []byte{1})
			entries, err := os.ReadDir(s.remote("d/up"))
			require.NoError(t, err)
			assert.Len(t, entries, len(samples))
		})
	}
}
