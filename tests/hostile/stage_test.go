package hostile

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"regexp"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// stepTime is short, so that the host soon ends a step that hangs, but longer than an
// honest step takes on a busy machine.
const stepTime = time.Second

// stage is a server with a module under test.
type stage struct {
	t       *testing.T
	server  *host.Server
	address string
	files   *fsbridge.Memory
	log     *record
}

// logs waits until the log has the text what so many times.
func (s *stage) logs(what string, times int) {
	s.t.Helper()
	eventually(s.t, what+" in the log", func() bool { return strings.Count(s.log.String(), what) == times })
}

// newStage starts a server with the module. When the test ends, the server must leave no
// goroutines behind.
func newStage(t *testing.T, module []byte, change func(*host.Config)) *stage {
	t.Helper()
	s := &stage{t: t, files: fsbridge.NewMemory(), log: &record{}}
	config := s.config(module)
	if change != nil {
		change(&config)
	}
	leavesNothing(t)
	var err error
	if s.server, err = host.New(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.server.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	go s.server.Serve(l)
	return s
}

// newGuestStage is a stage with the module of ./guest.
func newGuestStage(t *testing.T, change func(*host.Config)) *stage {
	t.Helper()
	module, err := guest()
	if err != nil {
		t.Fatal(err)
	}
	return newStage(t, module, change)
}

func (s *stage) config(module []byte) host.Config {
	return host.Config{
		Module: module, CacheDir: cacheDir, Instances: 1, Logger: slog.New(slog.NewTextHandler(s.log, nil)),
		Authenticator: host.AuthenticatorFunc(func(_ context.Context, l host.Login) (*host.Account, error) {
			if l.User != "user" || l.Password.Reveal() != "secret" {
				return nil, host.ErrDenied
			}
			return &host.Account{FS: s.files, Rights: host.ReadWrite}, nil
		}),
		TLS:    host.TLS{Config: &tls.Config{Certificates: []tls.Certificate{certificate()}}},
		Limits: host.Limits{MemoryPerInstance: 32 << 20},
		Allow:  host.Allow{SiteCopy: true, SiteSymlink: true, SiteRmdir: true, Combine: true, CCC: true, SSCN: true, CPSV: true},
	}
}

// certificate is self-signed.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// shortSteps makes the host end hanging steps soon.
func shortSteps(c *host.Config) { c.Limits.StepTime = stepTime }

// alone gives each session an instance of its own.
func alone(c *host.Config) { c.SessionsPerInstance = 1 }

func (s *stage) put(name, content string) {
	s.t.Helper()
	upload, err := s.files.Create(name, os.O_EXCL, 0, nil)
	if err == nil {
		_, err = upload.Write([]byte(content))
	}
	if err == nil {
		err = upload.Commit()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) connect() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// record is a log that can be read while it is written.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// leavesNothing fails the test if goroutines that it started, directly or not, outlive
// it. A label, which goroutines inherit, tells them from those of other tests.
func leavesNothing(t *testing.T) {
	labels := pprof.WithLabels(context.Background(), pprof.Labels("test", t.Name()))
	pprof.SetGoroutineLabels(labels)
	t.Cleanup(func() {
		pprof.SetGoroutineLabels(context.Background())
		deadline := time.Now().Add(patience)
		for goroutines(t.Name()) > 0 {
			if time.Now().After(deadline) {
				t.Errorf("%d goroutines are left:\n%s", goroutines(t.Name()), profile())
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
}

func profile() string {
	var b strings.Builder
	pprof.Lookup("goroutine").WriteTo(&b, 1)
	return b.String()
}

var labelled = regexp.MustCompile(`(?m)^(\d+) @.*\n# labels: \{"test":"([^"]*)"\}`)

// goroutines is how many goroutines carry the label of a test.
func goroutines(test string) int {
	count := 0
	for _, match := range labelled.FindAllStringSubmatch(profile(), -1) {
		if match[2] == test {
			n, _ := strconv.Atoi(match[1])
			count += n
		}
	}
	return count
}

// cacheDir keeps what was compiled for all tests of this run.
var cacheDir string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if cacheDir, err = os.MkdirTemp("", "hostile"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(cacheDir)
	before := taken()
	code := m.Run()
	deadline := time.Now().Add(patience)
	for {
		err := taken().leak(before)
		if err == nil {
			return code
		}
		if time.Now().After(deadline) {
			println(err.Error())
			return 1
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// resources are the descriptors and the memory that the process holds, zero where the
// system does not tell.
type resources struct {
	descriptors int
	space       int // memory mapped, besides the heap
}

func taken() (r resources) {
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		r.descriptors = len(entries)
	}
	heap := uint64(uintptr(unsafe.Pointer(new([64 << 10]byte))))
	if text, err := os.ReadFile("/proc/self/maps"); err == nil {
		for line := range strings.Lines(string(text)) {
			var from, to uint64
			var rights string
			fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights)
			if rights == "rw-p" && from>>arena != heap>>arena {
				r.space += int(to - from)
			}
		}
	}
	return r
}

// arena is how many bits of an address differ within Go's own heap.
const arena = 38

// mostSpace is the most memory that compiled code and stacks may keep. The memories of a
// few instances are more.
const mostSpace = 256 << 20

func (r resources) leak(before resources) error {
	switch {
	case r.descriptors > before.descriptors+2: // the poller's own
		return errors.New("descriptors are left open: " + strconv.Itoa(r.descriptors) + ", at first " +
			strconv.Itoa(before.descriptors))
	case r.space > before.space+mostSpace && !raceDetector():
		return errors.New("memory is left mapped: " + strconv.Itoa(r.space>>20) + " MiB, at first " + strconv.Itoa(before.space>>20))
	}
	return nil
}

// withRights gives every account these rights.
func withRights(a host.Authenticator, rights host.Rights) host.Authenticator {
	return host.AuthenticatorFunc(func(ctx context.Context, l host.Login) (*host.Account, error) {
		account, err := a.Authenticate(ctx, l)
		if err == nil {
			account.Rights = rights
		}
		return account, err
	})
}

// raceDetector says whether the race detector is on: it maps memory of its own.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
