package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/net/netutil"
)

// acmeCertificates has certificates issued for the hosts of --tls-acme, and renews them
// until ctx ends. It returns before they are issued.
func (p *program) acmeCertificates(ctx context.Context, t *tlsOptions, logger *slog.Logger) (getCertificate, error) {
	dir, err := t.privateDir(logger)
	if err != nil {
		return nil, err
	}
	var config *certmagic.Config
	zapped := zap.New(zapToSlog{logger})
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return config, nil },
		Logger:           zapped,
	})
	context.AfterFunc(ctx, cache.Stop)
	config = certmagic.New(cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: filepath.Join(dir, "acme")}, Logger: zapped,
		DefaultServerName: t.acme[0], FallbackServerName: t.acme[0], // many FTP clients send no server name
		OnEvent: func(_ context.Context, event string, data map[string]any) error {
			if event == "cached_managed_cert" {
				logger.Info("certificate loaded", "hosts", data["sans"])
			}
			return nil
		},
	})
	template := p.issuer(t)
	template.Logger = zapped
	issuer := certmagic.NewACMEIssuer(config, template)
	config.Issuers = []certmagic.Issuer{issuer}
	for _, l := range t.challenges {
		answerChallenges(ctx, l, issuer, config)
	}
	if err := config.ManageAsync(ctx, t.acme); err != nil {
		return nil, fmt.Errorf("cannot have certificates issued: %w; their folder is %s, of --tls-dir", err, dir)
	}
	return config.GetCertificate, nil
}

// issuer is the configuration of the ACME client: its CA and its challenge ports.
func (p *program) issuer(t *tlsOptions) certmagic.ACMEIssuer {
	issuer := certmagic.ACMEIssuer{
		CA: t.acmeCA, Agreed: true, AltHTTPPort: certmagic.HTTPChallengePort, AltTLSALPNPort: certmagic.TLSALPNChallengePort,
	}
	if p.tuneACME != nil {
		p.tuneACME(&issuer)
	}
	return issuer
}

// openChallenges opens the ports of the two ACME challenges for as long as the server
// runs: when certificates are renewed, it has no right to open them any more. One of the
// two ports is enough.
func (p *program) openChallenges(t *tlsOptions, logger *slog.Logger) error {
	if len(t.acme) == 0 {
		return nil
	}
	issuer := p.issuer(t)
	var faults []error
	for _, port := range []int{issuer.AltHTTPPort, issuer.AltTLSALPNPort} {
		l, err := p.listen("tls-acme", net.JoinHostPort(issuer.ListenHost, strconv.Itoa(port)))
		if err != nil {
			faults = append(faults, err)
			continue
		}
		t.challenges = append(t.challenges, l)
	}
	if len(t.challenges) == 0 {
		return fmt.Errorf("--tls-acme needs port 80 or 443 to prove that the host is ours: %w", errors.Join(faults...))
	}
	for _, err := range faults {
		logger.Warn("certificates are issued by the other of ports 80 and 443 alone", "err", err)
	}
	return nil
}

// Limits of a challenge port. The ACME server makes a few requests, and nobody else has
// a reason to connect.
const (
	challengeConns = 32               // at a time
	challengeTime  = 10 * time.Second // to read a request, and to answer it
)

// answerChallenges answers ACME challenges on l until ctx ends. It answers only for a
// host whose certificate is being issued, so that strangers can't fill the log.
func answerChallenges(ctx context.Context, l net.Listener, issuer *certmagic.ACMEIssuer, config *certmagic.Config) {
	asked := func(host string) bool {
		_, ok := certmagic.GetACMEChallenge(host)
		return ok
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !asked(r.Host) || !issuer.HandleHTTPChallenge(w, r) {
				http.NotFound(w, r)
			}
		}),
		ReadTimeout: challengeTime, WriteTimeout: challengeTime,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server.SetKeepAlivesEnabled(false)
	context.AfterFunc(ctx, func() { server.Close() })
	l = netutil.LimitListener(l, challengeConns)
	if port := l.Addr().(*net.TCPAddr).Port; port == issuer.AltHTTPPort {
		go server.Serve(l)
		return
	}
	server.TLSConfig = &tls.Config{
		NextProtos: []string{acmez.ACMETLS1Protocol},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if !asked(hello.ServerName) {
				return nil, errors.New("no certificate is being issued for this host")
			}
			return config.GetCertificate(hello)
		},
	}
	go server.ServeTLS(l, "", "")
}

// zapToSlog passes certmagic's warnings and errors on to our log.
type zapToSlog struct{ *slog.Logger }

func (zapToSlog) Enabled(level zapcore.Level) bool { return level >= zapcore.WarnLevel }

func (l zapToSlog) With(fields []zapcore.Field) zapcore.Core {
	return zapToSlog{l.Logger.With(attributes(fields)...)}
}

func (l zapToSlog) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if l.Enabled(e.Level) {
		return checked.AddCore(e, l)
	}
	return checked
}

func (l zapToSlog) Write(e zapcore.Entry, fields []zapcore.Field) error {
	l.Warn("ACME: "+e.Message, attributes(fields)...)
	return nil
}

func (zapToSlog) Sync() error { return nil }

func attributes(fields []zapcore.Field) []any {
	var attrs []any
	for _, f := range fields {
		m := zapcore.NewMapObjectEncoder()
		f.AddTo(m)
		for name, value := range m.Fields {
			attrs = append(attrs, name, value)
		}
	}
	return attrs
}
