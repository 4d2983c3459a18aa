package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/pflag"
)

const configFlag = "config"

// configFile is the configuration file as it was when it was last loaded.
type configFile struct {
	path   string
	given  map[string][]string // what flags and variables say
	in     map[string][]string // what the server runs with, of the settings that need a restart
	roster *roster
	beside *follower // of all files
	read   *document // the latest that was parsed
	last   string    // the outcome of the latest load: the content's hash or the faults
	latest []any     // what the latest load has changed, for the log

	// reconfigure has the server go on with other options; nil while there is no server.
	reconfigure func(*options) error
}

// restartSettings are those that hold from the next start on. A reload changes all others.
var restartSettings = []string{
	"rehash", "listen", "implicit-listen", "tls", "tls-acme", "tls-acme-ca", "tls-dir",
	"auth-http", "auth-program", "auth-ldap", "auth-ldap-dn", "auth-sql", "auth-sql-query", "auth-root", "auth-rights",
	"auth-timeout", "auth-cache",
	"state-dir", "run-as", "landlock", "sessions-per-instance", "module", "cache-dir", "log-format", "log-file",
	"transfer-log", "admin-socket", "admin-listen", "admin-tokens", "metrics-users",
}

// tableKeys are the keys of tables that are no settings. readUsers and readHooks read them.
var tableKeys = []string{"defaults", "group", "hook"}

// configure reads the variables and the configuration file into o, which has the values of
// the flags in f. It returns nil if there is no such file. The error has all faults.
func (p *program) configure(f *pflag.FlagSet, o *options) (*configFile, error) {
	faults := readVariables(f, p.environment)
	given := map[string][]string{}
	for _, flag := range settings(f) {
		if flag.Changed {
			given[flag.Name] = texts(flag)
		}
	}
	o.anchor()
	if o.file == "" {
		return nil, wrongUsage(faults)
	}
	c := &configFile{path: o.file, given: given, in: map[string][]string{}}
	content, err := os.ReadFile(c.path)
	if err != nil {
		return nil, wrongUsage(append(faults, fmt.Errorf("cannot read the configuration: %w; give another with --config", err)))
	}
	c.last = contentHash(content)
	read, flags, err := c.parse(content, nil)
	if err := wrongUsage(append(faults, err)); err != nil {
		return nil, err
	}
	for _, flag := range settings(flags) {
		c.in[flag.Name] = texts(flag)
	}
	*o = *read
	return c, nil
}

// wrongUsage joins faults to one error, nil for none.
func wrongUsage(faults []error) error {
	if err := errors.Join(faults...); err != nil {
		return usageError{err}
	}
	return nil
}

// parse makes options of what is given and, for all other settings, of the content of the
// file. Its relative paths count from the folder of the file. The settings in kept have the
// values there, whatever the file says.
func (c *configFile) parse(content []byte, kept map[string][]string) (*options, *pflag.FlagSet, error) {
	o, f := new(options), pflag.NewFlagSet("", pflag.ContinueOnError)
	newSettings(f, o)
	o.file = c.path
	if err := setAll(f, c.given); err != nil {
		return nil, nil, err
	}
	o.anchor()
	given := maps.Clone(c.given)
	for name, values := range kept {
		if _, ok := given[name]; !ok {
			given[name] = values
			if err := setAll(f, map[string][]string{name: values}); err != nil {
				return nil, nil, err
			}
		}
	}
	d, err := parseDocument(c.path, content)
	if err != nil {
		return nil, nil, err
	}
	c.read = d
	users, faults := d.readSettings(f, given)
	o.anchorAt(filepath.Dir(c.path))
	var more, wrong []error
	o.entries, o.groups, more = d.readUsers(users)
	o.hooks, wrong = d.readHooks()
	return o, f, errors.Join(slices.Concat(faults, more, wrong)...)
}

// setAll sets flags to values that they have had before.
func setAll(f *pflag.FlagSet, all map[string][]string) error {
	for name, values := range all {
		for _, text := range values {
			if err := set(f, f.Lookup(name), text); err != nil {
				return fmt.Errorf("--%s: %w", name, err)
			}
		}
	}
	return nil
}

// readSettings sets the flags in f to the values of a document, but for those that are
// given: the values of these are only checked. It returns the [[user]] tables, which have
// the key of --user.
func (d *document) readSettings(f *pflag.FlagSet, given map[string][]string) (users []*node, faults []error) {
	checked := pflag.NewFlagSet("", pflag.ContinueOnError)
	newSettings(checked, new(options))
	for _, key := range d.top.fields {
		flags := f
		if _, ok := given[key.name]; ok {
			flags = checked
		}
		flag, value := setting(flags, key.name), key.value
		switch {
		case slices.Contains(tableKeys, key.name):
			continue
		case flag == nil:
			faults = append(faults, d.unknownKey(f, key))
			continue
		case key.name == "user":
			value, users = splitUsers(value)
		}
		if len(users) > 0 && key.name == "user" && len(value.items) == 0 {
			continue
		}
		for _, err := range setFrom(flags, flag, value) {
			faults = append(faults, d.faultOf(key.name, value, err))
		}
	}
	return users, faults
}

func (d *document) unknownKey(f *pflag.FlagSet, key field) error {
	known := map[string]bool{}
	for _, name := range tableKeys {
		known[name] = true
	}
	for _, flag := range settings(f) {
		known[flag.Name] = !flag.Hidden
	}
	maps.DeleteFunc(known, func(_ string, shown bool) bool { return !shown })
	return d.fault(key.at, "there is no key %q%s", key.name, didYouMean(nearest(key.name, known)))
}

// splitUsers parts the values of --user from the [[user]] tables.
func splitUsers(v *node) (plain *node, tables []*node) {
	if v.kind == unstable.Table {
		return &node{at: v.at, kind: unstable.Array}, []*node{v}
	}
	if v.kind != unstable.Array {
		return v, nil
	}
	plain = &node{at: v.at, kind: v.kind}
	for _, item := range v.items {
		if item.kind == unstable.Table {
			tables = append(tables, item)
		} else {
			plain.items = append(plain.items, item)
		}
	}
	return plain, tables
}

// setFrom sets a flag to a value of a document.
func setFrom(f *pflag.FlagSet, flag *pflag.Flag, v *node) (faults []error) {
	switch {
	case v.kind == unstable.Array && !repeatable(flag):
		return []error{errors.New("it takes one value, no array")}
	case v.kind == unstable.Array && len(v.items) == 0:
		return []error{fmt.Errorf("nothing is given; give a value as in %s = %s, or leave the setting out", flag.Name, example(flag))}
	}
	for _, item := range v.values() {
		text, err := settingText(flag, item)
		if err == nil {
			err = set(f, flag, text)
		}
		if err != nil {
			faults = append(faults, misplaced{item.at, err})
		}
	}
	return faults
}

// settingText is the text of a value for a flag. A number is one for settings whose example
// begins with a digit.
func settingText(flag *pflag.Flag, v *node) (string, error) {
	text, ok := v.single()
	number := v.kind == unstable.Integer || v.kind == unstable.Float && !strings.Contains(text, "n") // inf and nan
	switch {
	case !ok:
		return "", errors.New("it takes a value, no table")
	case takesBool(flag):
		if v.kind != unstable.Bool {
			return "", errors.New("it takes true or false, without quotes")
		}
	case v.kind == unstable.String, number && strings.IndexAny(strings.TrimLeft(example(flag), `["`), "0123456789") == 0:
	default:
		return "", fmt.Errorf("it takes text in quotes, as in %s = %s", flag.Name, example(flag))
	}
	return text, nil
}

func (c *configFile) label() string   { return "configuration" }
func (c *configFile) files() []string { return []string{c.path} }
func (c *configFile) logAttrs() []any { return c.latest }

// follow has the file loaded again when it changes, and warns if it is open to everybody.
func (c *configFile) follow(r *roster, files *follower) {
	c.roster, c.beside = r, files
	info, err := os.Stat(c.path)
	if err != nil || !info.Mode().IsRegular() {
		return // a pipe, which can't be read again
	}
	c.warnOfExposed(info, r.options.Load(), files.logger)
	files.all = append(files.all, c)
}

// warnOfExposed warns if everybody can read or change the file, and o has secrets from it.
func (c *configFile) warnOfExposed(info fs.FileInfo, o *options, logger *slog.Logger) {
	if exposed(info) && c.hasSecrets(o) {
		warnOfExposed("configuration", c.path, info, logger)
	}
}

// hasSecrets says whether the file has passwords, hashes of them, or headers for hooks, which
// carry tokens. o are the options that were made of it. A value of a flag or a variable is
// not in the file.
func (c *configFile) hasSecrets(o *options) bool {
	from := func(key string) bool { return c.given[key] == nil }
	return len(o.entries) > 0 || len(o.users) > 0 && from("user") ||
		slices.ContainsFunc(o.sources.given, func(s sourceOption) bool {
			return hasPassword(s.url) && from("auth-http") || hasPassword(s.postgres) && from("auth-sql")
		}) ||
		slices.ContainsFunc(o.hooks, func(h *hook) bool {
			return len(h.headers) > 0 || h.url != nil && hasPassword(h.url.String())
		})
}

// hasPassword says whether a URL has one, before its host or, as PostgreSQL allows, behind it.
func hasPassword(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	_, given := u.User.Password()
	return given || u.Query().Has("password")
}

// load implements [followed].
func (c *configFile) load(logger *slog.Logger) (changed bool, err error) {
	content, err := os.ReadFile(c.path)
	hash := contentHash(content)
	if err == nil && hash == c.last {
		return false, nil
	}
	if unsettled(c.path) {
		return false, errUnsettled
	}
	if err == nil {
		err = c.take(content, logger)
	}
	if err != nil {
		hash = err.Error()
	}
	changed, c.last = c.last != hash, hash
	return changed, err
}

// take makes what the file says now hold, as far as that needs no restart. After a fault
// nothing has changed.
func (c *configFile) take(content []byte, logger *slog.Logger) error {
	next, late, err := c.parseAgain(content)
	if err != nil {
		return err
	}
	c.roster.rehasher.mark(next.entries)
	r, old := c.roster, c.roster.options.Load()
	if old.anonymousRights() == 0 && next.anonymousRights() != 0 && next.anonymous == "" {
		return fmt.Errorf("%s: no user is left, which alone does not let in anonymous ones; say anonymous = \"off\" or \"ro\"", c.path)
	}
	if !r.hooks.replaceable(next.hooks) {
		next.hooks, late = old.hooks, append(late, "hook")
	}
	if err := r.checkPrograms(next.hooks); err != nil {
		return fmt.Errorf("%s: %w", c.path, err)
	}
	users, accounts, err := c.prepare(old, next, logger)
	if err = c.placed(err); err != nil {
		if r.walled && errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w; files that were not in use at the start may be out of reach (--landlock) until a restart", err)
		}
		return err
	}
	r.options.Store(next)
	r.hooks.replace(next.hooks)
	r.files = users
	c.beside.all = slices.Concat(r.followed(), []followed{c}, next.tls.followed())
	c.latest = append([]any{"file", c.path}, changes(slices.Concat(old.flagUsers(), old.entries),
		slices.Concat(next.flagUsers(), next.entries))...)
	if ended := r.replace(accounts); ended > 0 {
		c.latest = append(c.latest, "sessions ended", ended)
	}
	if info, err := os.Stat(c.path); err == nil {
		c.warnOfExposed(info, next, logger)
	}
	if len(late) > 0 {
		logger.Warn(strings.Join(late, ", ")+" changed in the configuration and needs a restart", "file", c.path)
	}
	return nil
}

// prepare does all for a change of the options that may fail. The last of it has the server
// go on with the next options.
func (c *configFile) prepare(old, next *options, logger *slog.Logger) ([]*usersFile, *accounts, error) {
	r := c.roster
	next.tls.inUse = old.tls.inUse
	if err := next.readTLS(logger); err != nil {
		return nil, nil, err
	}
	users, err := r.readUsers(next, logger)
	if err != nil {
		return nil, nil, err
	}
	accounts, err := r.accounts(next, users)
	if err == nil {
		err = r.quotas.ready(accounts, next)
	}
	if err == nil && c.reconfigure != nil {
		err = c.reconfigure(next)
	}
	return users, accounts, err
}

// parseAgain is parse with the settings that need a restart as they were at the start. late
// are those of them that are another in the file.
func (c *configFile) parseAgain(content []byte) (next *options, late []string, err error) {
	next, flags, err := c.parse(content, nil)
	if err == nil {
		err = next.tls.check()
	}
	if err != nil {
		return nil, nil, c.named(c.placed(err))
	}
	kept := map[string][]string{}
	for _, name := range restartSettings {
		if kept[name] = c.in[name]; !slices.Equal(kept[name], texts(flags.Lookup(name))) {
			late = append(late, name)
		}
	}
	if len(late) == 0 {
		return next, nil, nil
	}
	if next, _, err = c.parse(content, kept); err == nil {
		err = next.tls.check()
	}
	if err != nil {
		err = fmt.Errorf("%s needs a restart, and with what it was: %w", strings.Join(late, ", "), c.named(c.placed(err)))
	}
	return next, late, err
}

// named has a fault tell the file, if it does not.
func (c *configFile) named(err error) error {
	if strings.HasPrefix(err.Error(), c.path) {
		return err
	}
	return fmt.Errorf("%s: %w", c.path, err)
}
