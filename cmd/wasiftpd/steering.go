package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/net/netutil"

	"wasiftp/cmd/wasiftpd/admin"
	"wasiftp/host"
	"wasiftp/host/metrics"
)

// adminOptions are the values of the flags about the admin API.
type adminOptions struct {
	socket string   // a file, "off", or "" for the usual one
	listen []string // addresses
	tokens string   // a file
	users  bool     // metrics have their names
}

func (o *adminOptions) addTo(f *pflag.FlagSet) {
	f.StringVar(&o.socket, "admin-socket", "", "take commands such as wasiftpd status on the Unix socket `FILE`,\n"+
		"which only its owner may use, or on none when off (default\nadmin.sock in systemd's runtime folder, in wasiftpd in that of\n"+
		"your login, or for root in /run/wasiftpd)")
	f.Func("admin-listen", "take them on `ADDR` too, with the status page, as in 127.0.0.1:8443;\nrepeatable. It needs "+
		"--admin-tokens, and a certificate\nsuch as --tls-cert", listenTo(&o.listen))
	f.StringVar(&o.tokens, "admin-tokens", "", "who comes by --admin-listen needs a token of `FILE`: lines\nNAME:RIGHTS:TOKEN, "+
		"with the rights read or admin")
	f.BoolVar(&o.users, "metrics-users", false, "have metrics count the transfers of each user, by name")
}

// checkAdmin finds flags that contradict or need each other.
func (o *options) checkAdmin() error {
	a := &o.admin
	switch {
	case len(a.listen) > 0 && a.tokens == "":
		return blame("admin-listen", a.listen[0], errors.New("--admin-listen needs --admin-tokens"))
	case len(a.listen) == 0 && a.tokens != "":
		return blame("admin-tokens", a.tokens, errors.New("--admin-tokens needs --admin-listen"))
	case len(a.listen) > 0 && !o.tls.on():
		return blame("admin-listen", a.listen[0],
			errors.New("--admin-listen needs TLS; give --tls-cert and --tls-key, --tls-acme, or --tls self-signed"))
	case runtime.GOOS == "windows" && a.socket != "" && a.socket != "off":
		return blame("admin-socket", a.socket, errors.New("no socket file is private on Windows; use --admin-listen"))
	case a.socket != "" && a.socket != "off":
		return unlistened(a.socket, checkSocket(a.socket))
	}
	return nil
}

// socketName is the name of the admin socket in its folder.
const socketName = "admin.sock"

// adminSockets are the usual places of the admin socket, the first one that there is a folder
// for in front.
func (p *program) adminSockets() (all []string) {
	if runtime.GOOS == "windows" {
		return nil
	}
	if dirs := filepath.SplitList(p.variable("RUNTIME_DIRECTORY")); len(dirs) > 0 && dirs[0] != "" {
		all = append(all, filepath.Join(dirs[0], socketName))
	}
	if p.root {
		return append(all, filepath.Join("/run/wasiftpd", socketName))
	}
	if dir := p.variable("XDG_RUNTIME_DIR"); dir != "" {
		all = append(all, filepath.Join(dir, "wasiftpd", socketName))
	}
	return all
}

// variable is the value of a variable of the environment.
func (p *program) variable(name string) string {
	for _, pair := range p.environment {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// steering is what administrators reach the server by.
type steering struct {
	admin   *admin.Server
	metrics *metrics.Metrics
	socket  listener    // the zero one for none
	listens []listener  // for TLS
	tokens  *tokensFile // nil for none
	drains  chan time.Duration
	state   atomic.Pointer[string]
	http    []*http.Server
	disks   disks
	server  *host.Server // nil before begin
}

// openSteering opens the sockets for administrators. A usual socket that can't be opened is a
// warning: another server may run.
func (p *program) openSteering(o *options, files *follower) (s *steering, err error) {
	s = &steering{drains: make(chan time.Duration, 1)}
	s.enter(admin.Serving)
	if s.tokens, err = o.readTokens(files); err != nil {
		return s, err
	}
	if err := s.listenLocally(p, o, files.logger); err != nil {
		return s, err
	}
	for _, addr := range o.admin.listen {
		l, err := p.listen("admin-listen", addr)
		if err != nil {
			return s, blame("admin-listen", addr, err)
		}
		s.listens = append(s.listens, l)
	}
	return s, nil
}

// readTokens checks the flags, and loads the file of tokens; nil for none.
func (o *options) readTokens(files *follower) (*tokensFile, error) {
	if err := o.checkAdmin(); err != nil {
		return nil, usageError{err}
	}
	if o.admin.tokens == "" {
		return nil, nil
	}
	tokens := &tokensFile{path: o.admin.tokens}
	if _, err := tokens.load(files.logger); err != nil {
		return nil, blame("admin-tokens", o.admin.tokens,
			fmt.Errorf("cannot use the tokens: %w; mend the file, or give another with --admin-tokens", err))
	}
	files.all = append(files.all, tokens)
	return tokens, nil
}

func (s *steering) listenLocally(p *program, o *options, logger *slog.Logger) (err error) {
	if given := o.admin.socket; given == "off" {
		return nil
	} else if given != "" {
		s.socket, err = p.listenPrivately(given)
		return unlistened(given, err)
	}
	usual := p.adminSockets()
	if len(usual) == 0 {
		return nil
	}
	if err = os.MkdirAll(filepath.Dir(usual[0]), 0o700); err == nil {
		s.socket, err = p.listenPrivately(usual[0])
	}
	if err != nil {
		level := slog.LevelWarn
		if errors.Is(err, errInUse) {
			level = slog.LevelInfo
		}
		logger.Log(context.Background(), level, "there is no admin socket for this server; choose one with --admin-socket",
			"file", usual[0], "err", err)
	}
	return nil
}

// unlistened is the fault of a given socket, nil for none.
func unlistened(socket string, err error) error {
	if err == nil {
		return nil
	}
	return blame("admin-socket", socket, fmt.Errorf("cannot listen on the socket: %w; choose another with --admin-socket", err))
}

// checkSocket finds that a socket can't be made at a path.
func checkSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err = os.Stat(filepath.Dir(path))
	case err == nil && info.Mode()&fs.ModeSocket == 0:
		err = fmt.Errorf("%s: it is a file and no socket", path)
	}
	return err
}

// errInUse says that a socket is another server's.
var errInUse = errors.New("another server uses it")

// listenPrivately listens on a Unix socket that only its owner may use, or takes the
// predecessor's.
func (p *program) listenPrivately(path string) (listener, error) {
	name := inheritedName("admin-socket", path)
	var l net.Listener
	var err error
	if f := p.predecessor.socket(name); f != nil {
		l, err = net.FileListener(f)
		if unix, ok := l.(*net.UnixListener); ok {
			l = renamed{unix, path}
		}
		f.Close()
	} else {
		l, err = listenPrivately(path)
	}
	return listener{Listener: l, name: name}, err
}

// listenPrivately listens on a Unix socket that only its owner may use. It takes the place of
// one that a server has left behind.
func listenPrivately(path string) (net.Listener, error) {
	if err := checkSocket(path); err != nil {
		return nil, err
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, errInUse
	}
	// In a folder that nobody else can enter, the socket gets its mode before its name.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, socketName), Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err = os.Chmod(l.Addr().String(), 0o600); err == nil {
		err = os.Rename(l.Addr().String(), path)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return renamed{l, path}, nil
}

// renamed is the listener of a socket that was renamed.
type renamed struct {
	*net.UnixListener
	path string
}

// Addr implements [net.Listener].
func (r renamed) Addr() net.Addr { return &net.UnixAddr{Name: r.path, Net: "unix"} }

// close ends all that administrators have open.
func (s *steering) close() {
	for _, server := range s.http {
		server.Close()
	}
	closeAll(s.all())
}

func (s *steering) all() (all []listener) {
	if s.socket.Listener != nil {
		all = append(all, s.socket)
	}
	return append(all, s.listens...)
}

// connect says what administrators steer, before there is a server.
func (s *steering) connect(r *roster, files *follower, listeners []listener, written *logs) {
	began := time.Now()
	name, _ := os.Hostname()
	s.metrics = metrics.New(metrics.Options{Users: r.options.Load().admin.users})
	s.admin = admin.New(admin.Config{
		Logger: files.logger, Metrics: s.metrics.Handler(readingsOf(r, files, written)),
		Tokens: func() admin.Tokens { return s.tokens.current() },
		Record: record, AppendJSON: appendJSON,
		Status: func() admin.Status {
			status := admin.Status{
				Name: name, Version: host.Version, PID: os.Getpid(), Began: began, State: *s.state.Load(),
				Certificates: r.options.Load().tls.told(), Disks: s.disks.space(slices.Collect(maps.Keys(r.current.Load().folders()))),
			}
			for _, l := range listeners {
				status.Listeners = append(status.Listeners, l.String())
			}
			return status
		},
		Users:  r.users,
		Lock:   r.lock,
		Quotas: func() ([]admin.Quota, error) { return r.quotas.told(r.current.Load()) },
		Reload: files.ask,
		Health: func(ctx context.Context) admin.Health { return s.health(ctx, r) },
		Drain: func(within time.Duration) {
			select {
			case s.drains <- within:
			default: // it drains already
			}
		},
	})
}

// enter enters a state.
func (s *steering) enter(state string) { s.state.Store(&state) }

// begin answers administrators from now on, until ctx ends or close.
func (s *steering) begin(ctx context.Context, server *host.Server, r *roster, logger *slog.Logger) {
	s.server = server
	s.admin.Begin(ctx, server)
	s.metrics.Attach(server)
	serve := func(l net.Listener, handler http.Handler, config *tls.Config) {
		h := &http.Server{
			Handler: handler, TLSConfig: config, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
			ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		}
		s.http = append(s.http, h)
		logger.Info("listening for administrators", "address", l.Addr().String())
		l = netutil.LimitListener(l, mostAdmins)
		if config != nil {
			go h.ServeTLS(l, "", "")
		} else {
			go h.Serve(l)
		}
	}
	if s.socket.Listener != nil {
		serve(s.socket, s.admin.Trusted(), nil)
	}
	for _, l := range s.listens {
		serve(l, s.admin.Guarded(), &tls.Config{
			MinVersion: tls.VersionTLS12,
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				if now := r.options.Load().config.TLS.Config; now != nil {
					return now.GetCertificate(hello)
				}
				return nil, errors.New("a reload has turned TLS off")
			},
		})
	}
}

// mostAdmins is how many connections a socket for administrators takes at a time.
const mostAdmins = 100

// health says whether the server takes new sessions.
func (s *steering) health(ctx context.Context, r *roster) (h admin.Health) {
	if state := *s.state.Load(); state != admin.Serving {
		h.Reasons = append(h.Reasons, "the server is "+state)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := s.server.Answers(ctx); err != nil {
		h.Reasons = append(h.Reasons, "an instance of the engine does not answer")
	}
	for _, from := range r.sources {
		if w := watched(from); w.failed.Load() {
			h.Reasons = append(h.Reasons, "a source of accounts does not answer: "+w.label())
		}
	}
	h.Ready = len(h.Reasons) == 0
	return h
}
