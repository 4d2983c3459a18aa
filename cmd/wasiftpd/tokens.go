package main

import (
	"log/slog"
	"os"
	"sync/atomic"

	"wasiftp/cmd/wasiftpd/admin"
)

// tokensFile is the file of --admin-tokens as it was when it was last loaded.
type tokensFile struct {
	path string
	now  atomic.Pointer[admin.Tokens]
	last string // the outcome of the latest load: the content's hash or the faults
}

func (f *tokensFile) label() string   { return "tokens file" }
func (f *tokensFile) files() []string { return []string{f.path} }
func (f *tokensFile) logAttrs() []any { return []any{"file", f.path, "tokens", len(f.current())} }

func (f *tokensFile) current() admin.Tokens { return *f.now.Load() }

// load implements [followed].
func (f *tokensFile) load(logger *slog.Logger) (changed bool, err error) {
	content, err := os.ReadFile(f.path)
	hash := contentHash(content)
	if err == nil && hash == f.last {
		return false, nil
	}
	if f.last != "" && unsettled(f.path) {
		return false, errUnsettled
	}
	if err == nil {
		var all admin.Tokens
		if all, err = admin.ParseTokens(f.path, string(content)); err == nil {
			f.now.Store(&all)
			warnOfReaders("tokens", f.path, logger)
		}
	}
	if err != nil {
		hash = err.Error()
	}
	changed, f.last = f.last != hash, hash
	return changed, err
}
