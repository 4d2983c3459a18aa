package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// accounts are all who may log in. It is the server's authenticator.
type accounts struct {
	byName    map[string]account
	anonymous *host.Account // nil lets nobody in without a password

	// standIns are secrets to check where a name has none, so that an unknown
	// user takes as long as a known one; seed makes that the same secret each time.
	standIns []secret
	seed     maphash.Seed

	// slots bound the checks that run at a time: an argon2id hash takes all of
	// a processor and, in each session that logs in, tens of megabytes.
	slots chan struct{}

	clientAuth string // what client certificates are for, as --tls-client-auth says; "" is nothing
	perUser    int    // sessions at a time; 0 is no limit

	roots map[string]*fsbridge.Dir // opened, by folder

	hosts  map[string]*accounts // of virtual hosts
	suffix string               // of account names, which limits and logs tell apart by
}

type account struct {
	host.Account
	secret secret // nil for a locked account
}

// open finds the accounts that o tells of and opens their folders.
func (o *options) open() (*accounts, error) {
	a := &accounts{
		byName: map[string]account{}, roots: map[string]*fsbridge.Dir{},
		seed: maphash.MakeSeed(), slots: make(chan struct{}, runtime.GOMAXPROCS(0)),
		clientAuth: o.tls.clientsBy(), perUser: o.sessionsPerUser,
	}
	err := o.fill(a)
	if err == nil {
		err = o.openHosts(a)
	}
	if err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (o *options) fill(a *accounts) error {
	own, err := a.openRoot(o.root, o.atomic)
	if err != nil {
		return fmt.Errorf("%w; choose a folder with --root", err)
	}
	if rights := o.anonymousRights(); rights != 0 {
		anonymous := newAccount("anonymous"+a.suffix, own, rights)
		a.anonymous = &anonymous
	}
	for _, u := range o.users {
		rights, _ := parseRights(u.rights)
		if err := a.add(newAccount(u.name, own, rights), newPlainSecret(u.password)); err != nil {
			return usageError{fmt.Errorf("--user: %w", err)}
		}
	}
	if o.usersFile != "" {
		if err := o.fillFromFile(a, own); err != nil {
			return err
		}
	}
	if a.anonymous == nil && len(a.byName) == 0 {
		return usageError{errors.New("nobody could log in; give --user, --users or --anonymous ro")}
	}
	return nil
}

// fillFromFile adds the users file's accounts, or finds all that is wrong with it.
func (o *options) fillFromFile(a *accounts, own *fsbridge.Dir) error {
	f, err := os.Open(o.usersFile)
	if err != nil {
		return fmt.Errorf("cannot read the users file: %w; give another with --users", err)
	}
	defer f.Close()
	entries, err := parseUsers(f, o.usersFile)
	faults := []error{err}
	for _, e := range entries {
		if err := o.addEntry(a, e, own); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", o.usersFile, e.line, err))
		}
	}
	return errors.Join(faults...)
}

func (o *options) addEntry(a *accounts, e entry, own *fsbridge.Dir) (err error) {
	root := own
	if e.root != "" {
		if root, err = a.openRoot(e.root, o.atomic); err != nil {
			return err
		}
	}
	account := newAccount(e.name, root, e.rights)
	account.Charset = e.charset
	return a.add(account, e.secret)
}

func (o *options) anonymousRights() host.Rights {
	switch {
	case o.anonymous == "rw":
		return host.ReadWrite
	case o.anonymous == "ro", o.anonymous == "" && len(o.users) == 0 && o.usersFile == "":
		return host.ReadOnly
	}
	return 0
}

// newAccount makes an account. The server holds to its rights; that a reader's
// folder can't be written to besides is a second lock.
func newAccount(name string, root *fsbridge.Dir, rights host.Rights) host.Account {
	if rights&^(host.ReadOnly|host.Admin) == 0 {
		return host.Account{Name: name, FS: fsbridge.ReadOnly(root), Rights: rights}
	}
	return host.Account{Name: name, FS: root, Rights: rights}
}

func (a *accounts) add(own host.Account, s secret) error {
	name := own.Name
	if _, ok := a.byName[name]; ok {
		return fmt.Errorf("user %q is given twice", name)
	}
	own.Name += a.suffix
	own.MaxSessions = a.perUser
	a.byName[name] = account{own, s}
	if s != nil {
		a.standIns = append(a.standIns, s)
	}
	return nil
}

// openRoot opens a folder, once.
func (a *accounts) openRoot(dir string, atomic bool) (*fsbridge.Dir, error) {
	if root, ok := a.roots[dir]; ok {
		return root, nil
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no folder %s", dir)
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("%s is a file and no folder", dir)
	}
	root, err := fsbridge.OpenDir(dir, fsbridge.DirOptions{Atomic: atomic})
	if err != nil {
		return nil, fmt.Errorf("cannot open the folder: %w", err)
	}
	a.roots[dir] = root
	return root, nil
}

func (a *accounts) close() {
	for _, root := range a.roots {
		root.Close()
	}
}

var errNoCertificate = fmt.Errorf("%w: no client certificate was shown", host.ErrDenied)

// Authenticate is [host.Authenticator]'s.
func (a *accounts) Authenticate(ctx context.Context, login host.Login) (*host.Account, error) {
	if at := a.hosts[login.Host]; at != nil {
		return at.Authenticate(ctx, login)
	}
	shown, verified := shownName(login.TLS)
	if a.clientAuth == "require" && !verified {
		return nil, errNoCertificate
	}
	found, known := a.byName[login.User]
	if a.clientAuth == "login" && verified && shown == login.User && found.secret != nil {
		return &found.Account, nil
	}
	if !known && a.anonymous != nil && isAnonymous(login.User) {
		account := *a.anonymous
		return &account, nil
	}
	check := found.secret
	if check == nil {
		if len(a.standIns) == 0 {
			return nil, host.ErrDenied
		}
		check = a.standIns[maphash.String(a.seed, login.User)%uint64(len(a.standIns))]
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
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
	return &found.Account, nil
}

// isAnonymous says whether a name is one of RFC 1635's.
func isAnonymous(name string) bool {
	return strings.EqualFold(name, "anonymous") || strings.EqualFold(name, "ftp")
}
