package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/host/quota"
)

// accounts are those who may log in, as the flags and the users files define them at one
// time. They are never changed: a reload replaces them.
type accounts struct {
	byName    map[string]account
	anonymous *account // nil refuses anonymous users

	// standIns are the secrets of all accounts. A password for an unknown or locked name
	// is checked against one of them, always the same for a name, so that it takes as
	// long as for a known name. seed spreads the names over them.
	standIns []secret
	seed     maphash.Seed

	checks *checks
	codes  *totpUses // of users with a TOTP secret

	rehasher *rehasher // nil leaves hashes as they are

	options    *options            // of the server
	dirs       fsbridge.DirOptions // of all folders
	clientAuth string              // what client certificates are for: "require", "login", or "" for nothing
	perUser    int                 // sessions at a time; 0 is no limit
	rates      host.Rates          // of each user
	quota      quota.Limits        // of each user

	everyone []fsbridge.Rule  // of --rule
	common   map[ruling]ruled // of those that have been read

	sources []source // are asked about other names, in order

	hosts  map[string]*accounts // of virtual hosts, by name
	suffix string               // "@" and the virtual host, after names in limits and logs; "" for the server
}

// account is a user, or all anonymous ones. Its folder is opened at each login.
type account struct {
	entry
	unique      string // the name with the suffix of its virtual host
	maxSessions int    // at a time; 0 is no limit
	shared      bool   // by strangers, who need no password
	ruled       *fsbridge.Rules
}

// fill adds to a the accounts of the flags, and those of users, the entries of o's
// users file.
func (o *options) fill(a *accounts, users []entry) error {
	if rights := o.anonymousRights(); rights != 0 {
		name := "anonymous"
		own := entry{name: name, root: o.root, rights: rights, rates: a.rates, quota: a.quota}
		ruled, _ := a.rule(&own) // those of --rule, which have been checked
		a.anonymous = &account{entry: own, unique: name + a.suffix, shared: true, ruled: ruled}
	}
	var faults []error
	for _, e := range o.flagUsers() {
		if err := a.add(e); err != nil {
			faults = append(faults, usageError{fmt.Errorf("--user: %w", err)})
		}
	}
	for _, e := range slices.Concat(o.entries, users) {
		if e.root == "" {
			e.root = o.root
		}
		if err := cmp.Or(o.checkEntry(e), a.add(e)); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", e.place, err))
		}
	}
	return errors.Join(faults...)
}

// flagUsers are the entries of --user.
func (o *options) flagUsers() (entries []entry) {
	for _, u := range o.users {
		rights, _ := host.ParseRights(u.rights)
		secret := newPlainSecret(u.password)
		entries = append(entries, entry{
			name: u.name, place: "--user", hash: fmt.Sprintf("%x", secret), secret: secret, root: o.root, rights: rights,
		})
	}
	return entries
}

// checkEntry finds what a user is to have and the server can't give.
func (o *options) checkEntry(e entry) error {
	switch {
	case e.certificate != "" && o.tls.clientCA == "":
		return fmt.Errorf("user %q is to show a certificate, which needs tls-client-ca", e.name)
	case !e.locked && e.secret == nil && e.certificate != "" && o.tls.clientAuthMode() != "login":
		return fmt.Errorf("user %q has no password; only with tls-client-auth = \"login\" a certificate is enough", e.name)
	case e.admission.tls && !o.tls.on():
		return fmt.Errorf("user %q needs TLS, which is off; give tls-cert and tls-key, tls-acme, or tls = \"self-signed\"", e.name)
	}
	return nil
}

func (o *options) anonymousRights() host.Rights {
	if o.anonymous == "" && len(o.users)+len(o.entries)+len(o.sources.given) == 0 && o.usersFile == "" {
		return host.ReadOnly
	}
	rights, _ := host.ParseRights(o.anonymous) // none for off
	return rights
}

func (a *accounts) add(e entry) error {
	if first, ok := a.byName[e.name]; ok {
		return fmt.Errorf("user %q is given twice, the first time by %s", e.name, first.place)
	}
	e.rates, e.quota = cmp.Or(e.rates, a.rates), cmp.Or(e.quota, a.quota)
	ruled, err := a.rule(&e)
	if err != nil {
		return err
	}
	own := account{entry: e, unique: e.name + a.suffix, maxSessions: a.perUser, ruled: ruled}
	if e.sessions != nil {
		own.maxSessions = *e.sessions
	}
	a.byName[e.name] = own
	if e.secret != nil {
		a.standIns = append(a.standIns, e.secret)
	}
	return nil
}

// each calls visit for all accounts, those of virtual hosts too.
func (a *accounts) each(visit func(*account)) {
	if a.anonymous != nil {
		visit(a.anonymous)
	}
	for _, own := range a.byName {
		visit(&own)
	}
	for _, at := range a.hosts {
		at.each(visit)
	}
}

// gone adds to names the unique names of the users whom next lacks, or has with other
// settings.
func (a *accounts) gone(next *accounts, names map[string]bool) {
	if own := a.anonymous; own != nil && (next.anonymous == nil || !next.anonymous.same(own.entry)) {
		names[own.unique] = true
	}
	for name, own := range a.byName {
		if now, ok := next.byName[name]; !ok || !now.same(own.entry) {
			names[own.unique] = true
		}
	}
	for host, at := range a.hosts {
		at.gone(cmp.Or(next.hosts[host], &accounts{}), names)
	}
}

// writes says whether the account may change or make files.
func (a *account) writes() bool {
	rights := a.rights
	for _, r := range a.rules {
		rights |= r.Rights
	}
	return rights&^(host.ReadOnly|host.RightAdmin) != 0
}

// open makes the [host.Account] of one login. The server enforces the account's rights; a
// read-only file system for an account that may not write is a second lock.
func (a *account) open(folders *folders, options fsbridge.DirOptions) (*host.Account, error) {
	if a.umask != nil {
		options.FilePerm, options.FolderPerm = 0o666&^*a.umask, 0o777&^*a.umask
	}
	options.NoLinks = a.ruled != nil
	dir, leave, err := folders.enter(a.root, options)
	if err != nil {
		return nil, err
	}
	own := &host.Account{
		Name: a.unique, FS: dir, Rights: a.rights, Rules: a.ruled, Charset: a.charset, MaxSessions: a.maxSessions,
		Shared: a.shared, Close: leave, Rates: a.rates, Folder: a.root,
		ListZone: a.listZone, ListOwner: a.listOwner, ListGroup: a.listGroup,
	}
	if !a.writes() {
		own.FS = fsbridge.ReadOnly(dir)
	}
	return own, nil
}

// find returns the account that a login is for. It fails with [host.ErrDenied] if name,
// password or client certificate is wrong, or the user may not log in from there or now.
// The reason is for the log: the client hears the same words each time, after the same time.
func (a *accounts) find(ctx context.Context, login host.Login) (*account, error) {
	if at := a.hosts[login.Host]; at != nil {
		return at.find(ctx, login)
	}
	shown, verified := shownName(login.TLS)
	if a.clientAuth == "require" && !verified {
		return nil, fmt.Errorf("%w: no client certificate was shown", host.ErrDenied)
	}
	found, known := a.byName[login.User]
	own := cmp.Or(found.certificate, login.User) // the name that counts in place of a password
	if a.clientAuth == "login" && verified && shown == own && known && !found.closed() {
		if err := a.admit(&found, login, shown); err != nil {
			return nil, err
		}
		return &found, nil
	}
	if !known && a.anonymous != nil && isAnonymous(login.User) {
		return a.anonymous, nil
	}
	if !known && len(a.sources) > 0 {
		return a.ask(ctx, login, shown)
	}
	password, _ := found.totp.split(login.Password.Reveal())
	if err := a.checkPassword(ctx, login, password, found.secret); err != nil {
		if known && found.closed() && errors.Is(err, host.ErrDenied) {
			err = fmt.Errorf("%w: %s", err, lockedReason)
		}
		return nil, err
	}
	if err := a.admit(&found, login, shown); err != nil {
		return nil, err
	}
	a.rehasher.offer(&found, password)
	return &found, nil
}

// admit checks whatever is to be checked besides the password. shown is the common name of
// the client's certificate. The code comes last: one that was good is used up for others.
func (a *accounts) admit(own *account, login host.Login, shown string) error {
	err := own.refusal(login, shown)
	if err == nil && own.totp != "" {
		_, code := own.totp.split(login.Password.Reveal())
		err = a.codes.check(own.totp, code, own.unique, login.Client.Addr())
	}
	return err
}

// checkPassword checks a password against a secret. Without one it takes as long, and
// fails.
func (a *accounts) checkPassword(ctx context.Context, login host.Login, password string, own secret) error {
	check := own
	if check == nil {
		if len(a.standIns) == 0 {
			return host.ErrDenied
		}
		check = a.standIns[maphash.String(a.seed, login.User)%uint64(len(a.standIns))]
	}
	from := network(login.Client.Addr())
	if err := a.checks.Enter(ctx, from); err != nil {
		return err
	}
	defer a.checks.Leave(from)
	ok, err := check.matches(password)
	switch {
	case own == nil, checkPassword(password) != nil:
		return host.ErrDenied
	case err != nil:
		return fmt.Errorf("the password of user %q can't be checked: %w", login.User, err)
	case !ok:
		return host.ErrDenied
	}
	return nil
}

// isAnonymous says whether name is a user name of anonymous FTP (RFC 1635).
func isAnonymous(name string) bool {
	return strings.EqualFold(name, "anonymous") || strings.EqualFold(name, "ftp")
}
