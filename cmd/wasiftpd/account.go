package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"strings"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// accounts are all who may log in, as the flags and the users files were at one
// time. They are not changed but replaced.
type accounts struct {
	byName    map[string]account
	anonymous *account // nil lets nobody in without a password

	// standIns are secrets to check where a name has none, so that an unknown
	// user takes as long as a known one; seed makes that the same secret each time.
	standIns []secret
	seed     maphash.Seed

	checks *checks

	clientAuth string // what client certificates are for, as --tls-client-auth says; "" is nothing
	perUser    int    // sessions at a time; 0 is no limit

	hosts  map[string]*accounts // of virtual hosts
	suffix string               // of account names, which limits and logs tell apart by
}

// account is somebody who may log in. The folder is opened when he does.
type account struct {
	entry
	unique      string // its name, with that of the virtual host
	maxSessions int
	shared      bool // by strangers
}

// fill adds the accounts that o tells of. users are those of its users file.
func (o *options) fill(a *accounts, users []entry) error {
	if rights := o.anonymousRights(); rights != 0 {
		name := "anonymous"
		a.anonymous = &account{entry: entry{name: name, root: o.root, rights: rights}, unique: name + a.suffix, shared: true}
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
	a.byName[e.name] = account{entry: e, unique: e.name + a.suffix, maxSessions: a.perUser}
	if e.secret != nil {
		a.standIns = append(a.standIns, e.secret)
	}
	return nil
}

// everyone calls visit for all accounts.
func (a *accounts) everyone(visit func(*account)) {
	if a.anonymous != nil {
		visit(a.anonymous)
	}
	for _, own := range a.byName {
		visit(&own)
	}
	for _, at := range a.hosts {
		at.everyone(visit)
	}
}

// gone collects the unique names of the users that next has not, or not as they
// are here.
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

// writes says whether the account can change files, or make some.
func (a *account) writes() bool { return a.rights&^(host.ReadOnly|host.RightAdmin) != 0 }

// open is what a login to the account gets. The folder is opened by its path each
// time, and by nobody in between: what is mounted there, or moved there, counts
// from the next login on. The server holds to the account's rights; that a
// reader's folder can't be written to besides is a second lock.
func (a *account) open(options fsbridge.DirOptions) (*host.Account, error) {
	dir, err := openFolder(a.root, options)
	if err != nil {
		return nil, err
	}
	own := &host.Account{
		Name: a.unique, FS: dir, Rights: a.rights, Charset: a.charset, MaxSessions: a.maxSessions, Shared: a.shared, Close: dir.Close,
	}
	if !a.writes() {
		own.FS = fsbridge.ReadOnly(dir)
	}
	return own, nil
}

func openFolder(path string, options fsbridge.DirOptions) (*fsbridge.Dir, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no folder %s", path)
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("%s is a file and no folder", path)
	}
	dir, err := fsbridge.OpenDir(path, options)
	if err != nil {
		return nil, fmt.Errorf("cannot open the folder: %w", err)
	}
	return dir, nil
}

var errNoCertificate = fmt.Errorf("%w: no client certificate was shown", host.ErrDenied)

// find is the account of whoever logs in, or a denial.
func (a *accounts) find(ctx context.Context, login host.Login) (*account, error) {
	if at := a.hosts[login.Host]; at != nil {
		return at.find(ctx, login)
	}
	shown, verified := shownName(login.TLS)
	if a.clientAuth == "require" && !verified {
		return nil, errNoCertificate
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

// isAnonymous says whether a name is one of RFC 1635's.
func isAnonymous(name string) bool {
	return strings.EqualFold(name, "anonymous") || strings.EqualFold(name, "ftp")
}
