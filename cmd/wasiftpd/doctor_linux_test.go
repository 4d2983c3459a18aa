package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// networkSetUp is a script that makes three network namespaces: a client in a public network, a
// router with the address 203.0.113.1 in it, and a server behind the router's NAT.
const networkSetUp = `
mount -t tmpfs none /run
mkdir /run/netns
ip netns add server
ip netns add client
ip link add c0 type veth peer name eth0 netns client
ip link add s0 type veth peer name eth0 netns server
ip addr add 203.0.113.1/24 dev c0
ip addr add 10.0.0.1/24 dev s0
ip -n client addr add 203.0.113.9/24 dev eth0
ip -n server addr add 10.0.0.2/24 dev eth0
ip link set c0 up
ip link set s0 up
for side in client server; do
	ip -n $side link set lo up
	ip -n $side link set eth0 up
done
ip -n server route add default via 10.0.0.1
echo 1 >/proc/sys/net/ipv4/ip_forward
`

const (
	noNetwork = 77 // the exit code if the network can't be made
	noHelper  = 78 // or the router's FTP helper
)

// examinationRun is a script that starts the server, examines it from the client, and exits as
// the doctor does. RULES are those of the router.
const examinationRun = `
printf '%s\n' "$RULES" | nft -f - || exit $BAD_RULES
mkfifo /run/said
ip netns exec server "$PROGRAM" --listen 10.0.0.2:21 --passive-ports 50000-50009 --landlock off "$@" >/run/said &
server=$!
exec 3</run/said
while read -r line <&3; do
	[ "$line" = "Ctrl-C stops it." ] && break
done
ip netns exec client "$PROGRAM" doctor --json --step-timeout 3s ftp://203.0.113.1
code=$?
kill $server
wait $server
exit $code
`

const forwardControl = `
table ip nat {
	chain in { type nat hook prerouting priority -100; iifname "c0" tcp dport 21 dnat to 10.0.0.2; }
	chain out { type nat hook postrouting priority 100; oifname "c0" masquerade; }
}
`

const forwardData = `
add rule ip nat in iifname "c0" tcp dport 50000-50009 dnat to 10.0.0.2
`

// behindNAT examines a server behind a router with rules.
func behindNAT(t *testing.T, rules string, args ...string) examined {
	t.Helper()
	for _, name := range []string{"nft", "ip", "unshare"} {
		tool(t, name)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	warmUp(t)
	// In a namespace of an ordinary user / belongs to nobody, and no folder in it is private.
	pair := write(t, t.TempDir(), "pair.pem", newAuthority(t).both("203.0.113.1", time.Now()))
	script := fmt.Sprintf("trap 'exit %d' ERR\n%s\ntrap - ERR\n%s", noNetwork, networkSetUp, examinationRun)
	command := exec.Command("unshare", append([]string{
		"--user", "--map-root-user", "--net", "--mount", "bash", "-c", script, "bash", "--cache-dir", cacheDir,
		"--tls-cert", pair, "--tls-key", pair, "--root", t.TempDir()}, args...)...)
	command.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin", // where Debian has nft
		"PROGRAM="+self, "RULES="+rules, asProgram+"=1", fmt.Sprintf("BAD_RULES=%d", noHelper))
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Run(); command.ProcessState == nil {
		t.Fatal(err)
	}
	r := examined{t: t, code: command.ProcessState.ExitCode()}
	switch {
	case r.code == noNetwork, out.Len() == 0 && strings.HasPrefix(errs.String(), "unshare:"):
		t.Skipf("no network namespaces can be made here: %s", errs.String())
	case r.code == noHelper:
		t.Skipf("the kernel does not take these rules: %s", errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &r.Report); err != nil {
		t.Fatalf("%v in %q; exit code %d, %s", err, out.String(), r.code, errs.String())
	}
	return r
}

// wants checks that a finding names a line for the configuration.
func (r examined) wants(check, kind, set string) {
	r.t.Helper()
	if f := r.find(check, kind); f.Set != set || r.code != 1 {
		r.t.Errorf("exit code %d; the line is %q, not %q", r.code, f.Set, set)
	}
}

const (
	publicLine  = `public-address = "203.0.113.1"`
	passiveLine = `passive-ports = "50000-50099"`
)

// A server behind NAT that is set up as the manual says has no fault.
func TestDoctorBehindNAT(t *testing.T) {
	t.Parallel()
	r := behindNAT(t, forwardControl+forwardData, "--public-address", "203.0.113.1")
	for _, check := range []string{"epsv", "pasv", "alg", "active"} {
		r.find(check, "ok")
	}
	if r.code != 0 {
		t.Errorf("exit code %d: %+v", r.code, r.Findings)
	}
}

func TestDoctorNATWithoutPublicAddress(t *testing.T) {
	t.Parallel()
	r := behindNAT(t, forwardControl+forwardData)
	r.wants("pasv", "private", publicLine)
	r.find("epsv", "ok") // which names no address
}

// The port is not to blame for an address that is none of the server's.
func TestDoctorWrongPublicAddress(t *testing.T) {
	t.Parallel()
	r := behindNAT(t, forwardControl+forwardData, "--public-address", "203.0.113.77")
	r.wants("pasv", "elsewhere", publicLine)
	if r.Faults != 1 {
		t.Errorf("%d faults: %+v", r.Faults, r.Findings)
	}
}

func TestDoctorClosedPorts(t *testing.T) {
	t.Parallel()
	r := behindNAT(t, forwardControl, "--public-address", "203.0.113.1")
	r.wants("epsv", "refused", passiveLine)
	r.wants("pasv", "refused", passiveLine)
}

func TestDoctorDroppingFirewall(t *testing.T) {
	t.Parallel()
	r := behindNAT(t, forwardControl+forwardData+`
table ip filter {
	chain through { type filter hook forward priority 0; tcp dport 50000-50009 drop; }
}`, "--public-address", "203.0.113.1")
	r.wants("epsv", "filtered", passiveLine)
	r.wants("pasv", "filtered", passiveLine)
}

func TestDoctorForbiddingFirewall(t *testing.T) {
	t.Parallel()
	r := behindNAT(t, forwardControl+forwardData+`
table ip filter {
	chain through { type filter hook forward priority 0; tcp dport 50000-50009 reject with icmp type admin-prohibited; }
}`, "--public-address", "203.0.113.1")
	r.wants("pasv", "unreachable", passiveLine)
}

// Linux's own helper changes the address in the clear, and not under TLS.
func TestDoctorRewritingALG(t *testing.T) {
	t.Parallel()
	r := behindNAT(t, forwardControl+`
table ip helper {
	ct helper ftp { type "ftp" protocol tcp; l3proto ip; }
	chain in { type filter hook prerouting priority 0; tcp dport 21 ct helper set "ftp"; }
}`)
	r.wants("pasv", "private", publicLine)
	r.wants("alg", "rewritten", publicLine)
}

// The doctor asks for the password on the terminal, without echo.
func TestDoctorAtTerminal(t *testing.T) {
	t.Parallel()
	s := start(t, "--root", t.TempDir(), "--user", "ann:secret:rw")
	keyboard, tty := openTerminal(t)
	fmt.Fprint(keyboard, "secret\n")
	code, stdout, stderr := run(t, tty, "doctor", "ftp://ann@"+s.addr)
	if code != 0 || !strings.Contains(stderr, "Password of ann: ") || !strings.Contains(stdout, "ann is logged in.") {
		t.Errorf("exit code %d, %s, %s", code, stdout, stderr)
	}
}
