package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// issued has certificates issued for the hosts of --tls-acme, and renewed,
// until ctx ends. It does not wait for them.
func (p *program) issued(ctx context.Context, t *tlsOptions, logger *slog.Logger) (getCertificate, error) {
	dir, err := t.keep(logger)
	if err != nil {
		return nil, err
	}
	var config *certmagic.Config
	log := zap.New(zapToSlog{logger})
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return config, nil },
		Logger:           log,
	})
	context.AfterFunc(ctx, cache.Stop)
	config = certmagic.New(cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: filepath.Join(dir, "acme")}, Logger: log,
		DefaultServerName: t.acme[0], FallbackServerName: t.acme[0], // many FTP clients say no name
		OnEvent: func(_ context.Context, event string, data map[string]any) error {
			if event == "cached_managed_cert" {
				logger.Info("certificate loaded", "hosts", data["sans"])
			}
			return nil
		},
	})
	issuer := certmagic.ACMEIssuer{CA: t.acmeCA, Agreed: true, Logger: log}
	if p.tuneACME != nil {
		p.tuneACME(&issuer)
	}
	config.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(config, issuer)}
	if err := config.ManageAsync(ctx, t.acme); err != nil {
		return nil, fmt.Errorf("cannot have certificates issued: %w; their folder is %s, of --tls-dir", err, dir)
	}
	return config.GetCertificate, nil
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
