package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"

	"wasiftp/fsbridge"
	"wasiftp/host"
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

	clientAuth string     // what client certificates are for: "require", "login", or "" for nothing
	perUser    int        // sessions at a time; 0 is no limit
	rates      host.Rates // of each user

	hosts  map[string]*accounts // of virtual hosts, by name
	suffix string               // "@" and the virtual host, after names in limits and logs; "" for the server
}

// account is a user, or all anonymous ones. Its folder is opened at each login.
type account struct {
	entry
	unique      string // the name with the suffix of its virtual host
	maxSessions int    // at a time; 0 is no limit
	shared      bool   // by strangers, who need no password
}

// fill adds to a the accounts of the flags, and those of users, the entries of o's
// users file.
func (o *options) fill(a *accounts, users []entry) error {
	if rights := o.anonymousRights(); rights != 0 {
		name := "anonymous"
		a.anonymous = &account{entry: entry{name: name, root: o.root, rights: rights, rates: a.rates}, unique: name + a.suffix, shared: true}
	}
	var faults []error
	for _, u := range o.users {
		rights, _ := host.ParseRights(u.rights)
		if err := a.add(entry{name: u.name, secret: newPlainSecret(u.password), root: o.root, rights: rights}); err != nil {
			faults = append(faults, usageError{fmt.Errorf("--user: %w", err)})
		}
	}
	for _, e := range users {
		if e.root == "" {
			e.root = o.root
		}
		if err := a.add(e); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", o.usersFile, e.line, err))
		}
	}
	return errors.Join(faults...)
}

func (o *options) anonymousRights() host.Rights {
	if o.anonymous == "" && len(o.users) == 0 && o.usersFile == "" {
		return host.ReadOnly
	}
	rights, _ := host.ParseRights(o.anonymous) // none for off
	return rights
}

func (a *accounts) add(e entry) error {
	if _, ok := a.byName[e.name]; ok {
		return fmt.Errorf("user %q is given twice", e.name)
	}
	e.rates = cmp.Or(e.rates, a.rates)
	a.byName[e.name] = account{entry: e, unique: e.name + a.suffix, maxSessions: a.perUser}
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
	for name, own := range a.byName {
		if now, ok := next.byName[name]; !ok || !now.same(own.entry) {
			names[own.unique] = true
		}
	}
	for host, at := range a.hosts {
		at.gone(next.hosts[host], names)
	}
}

// writes says whether the account may change or make files.
func (a *account) writes() bool { return a.rights&^(host.ReadOnly|host.RightAdmin) != 0 }

// open makes the [host.Account] of one login. The server enforces the account's rights; a
// read-only file system for an account that may not write is a second lock.
func (a *account) open(folders *folders, options fsbridge.DirOptions) (*host.Account, error) {
	dir, leave, err := folders.enter(a.root, options)
	if err != nil {
		return nil, err
	}
	own := &host.Account{
		Name: a.unique, FS: dir, Rights: a.rights, Charset: a.charset, MaxSessions: a.maxSessions, Shared: a.shared, Close: leave,
		Rates: a.rates,
	}
	if !a.writes() {
		own.FS = fsbridge.ReadOnly(dir)
	}
	return own, nil
}

// find returns the account that a login is for. It fails with [host.ErrDenied] if name,
// password or client certificate is wrong.
func (a *accounts) find(ctx context.Context, login host.Login) (*account, error) {
	if at := a.hosts[login.Host]; at != nil {
		return at.find(ctx, login)
	}
	shown, verified := shownName(login.TLS)
	if a.clientAuth == "require" && !verified {
		return nil, fmt.Errorf("%w: no client certificate was shown", host.ErrDenied)
	}
	found, known := a.byName[login.User]
	if a.clientAuth == "login" && verified && shown == login.User && found.secret != nil {
		return &found, nil
	}
	if !known && a.anonymous != nil && isAnonymous(login.User) {
		return a.anonymous, nil
	}
	check := found.secret
	if check == nil {
		if len(a.standIns) == 0 {
			return nil, host.ErrDenied
		}
		check = a.standIns[maphash.String(a.seed, login.User)%uint64(len(a.standIns))]
	}
	from := network(login.Client.Addr())
	if err := a.checks.Enter(ctx, from); err != nil {
		return nil, err
	}
	defer a.checks.Leave(from)
	password := login.Password.Reveal()
	ok, err := check.matches(password)
	switch {
	case found.secret == nil, checkPassword(password) != nil:
		return nil, host.ErrDenied
	case err != nil:
		return nil, fmt.Errorf("the password of user %q can't be checked: %w", login.User, err)
	case !ok:
		return nil, host.ErrDenied
	}
	return &found, nil
}

// isAnonymous says whether name is a user name of anonymous FTP (RFC 1635).
func isAnonymous(name string) bool {
	return strings.EqualFold(name, "anonymous") || strings.EqualFold(name, "ftp")
}
