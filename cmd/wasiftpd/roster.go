package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"wasiftp/cmd/wasiftpd/admin"
	"wasiftp/fsbridge"
	"wasiftp/host"
)

// roster has the current accounts. It is the server's [host.Authenticator].
type roster struct {
	options  atomic.Pointer[options]
	seed     maphash.Seed
	checks   *checks
	codes    *totpUses
	rehasher *rehasher    // nil leaves hashes as they are
	files    []*usersFile // each once
	sources  []source
	current  atomic.Pointer[accounts]
	sweeper  *sweeper
	folders  folders
	state    *state
	quotas   quotas
	hooks    hooks
	locks    locks
	slow     bool // a folder hung at the start
	walled   bool // the process can open no files outside of its wall

	// revoke ends the sessions of the accounts that gone is true for, and returns their
	// number; nil while there is no server.
	revoke func(gone func(account string) bool) int
}

// roster returns the accounts of the flags and the users files, or all faults in these,
// and adds the users files to files. Until ctx ends it removes unfinished uploads from the
// accounts' folders.
func (o *options) roster(ctx context.Context, files *follower) (*roster, error) {
	r := &roster{
		seed: maphash.MakeSeed(), checks: newChecks(), codes: newTOTPUses(),
		sweeper: newSweeper(ctx, files.logger), state: &state{given: o.stateDir, logger: files.logger},
	}
	r.quotas = quotas{state: r.state, logger: files.logger}
	r.options.Store(o)
	r.folders.check, r.rehasher = r.checkWall, newRehasher(ctx, o, files.logger)
	var err error
	if r.sources, err = o.openSources(files.logger, r.checks); err != nil {
		return nil, err
	}
	var faults error
	r.files, faults = r.readUsers(o, files.logger)
	files.all = append(files.all, r.followed()...)
	first, err := r.accounts(o, r.files)
	if err := errors.Join(faults, err); err != nil {
		return nil, err
	}
	if err := first.nobody(); err != nil {
		return nil, usageError{err}
	}
	r.current.Store(first)
	if o.runAs != "" {
		return r, nil // leaveRoot checks the folders, as the user that must be able to open them
	}
	return r, r.checkFolders(files.logger)
}

// usersFiles are the paths of all users files, each once.
func (o *options) usersFiles() (paths []string) {
	add := func(path string) {
		if path != "" && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	add(o.usersFile)
	for _, h := range o.hosts {
		add(o.forHost(h).usersFile)
	}
	return paths
}

// readUsers loads the users files that o names, but for those that are loaded already. If
// some have faults it returns what it could read all the same.
func (r *roster) readUsers(o *options, logger *slog.Logger) (all []*usersFile, err error) {
	var faults []error
	for _, path := range o.usersFiles() {
		at := slices.IndexFunc(r.files, func(f *usersFile) bool { return f.path == path })
		if at >= 0 {
			all = append(all, r.files[at])
			continue
		}
		f := &usersFile{path: path, roster: r}
		all = append(all, f)
		faults = append(faults, f.begin(logger))
	}
	return all, errors.Join(faults...)
}

// followed are the users files that can be loaded again.
func (r *roster) followed() (all []followed) {
	for _, f := range r.files {
		if f.regular() {
			all = append(all, f)
		}
	}
	return all
}

// accounts makes the accounts of the flags and of users files as they were loaded.
func (r *roster) accounts(o *options, files []*usersFile) (*accounts, error) {
	users := func(o *options) []entry {
		at := slices.IndexFunc(files, func(f *usersFile) bool { return f.path == o.usersFile })
		if at < 0 {
			return nil
		}
		return files[at].entries
	}
	a := &accounts{
		byName: map[string]account{}, seed: r.seed, checks: r.checks, codes: r.codes, rehasher: r.rehasher,
		clientAuth: o.tls.clientAuthMode(), perUser: o.sessionsPerUser, rates: o.ratesPerUser, quota: o.quotaPerUser, everyone: o.rules,
		options: o, dirs: fsbridge.DirOptions{Atomic: o.atomic || o.asksOfUploads(), Sync: o.sync},
		sources: r.sources,
	}
	err := o.checkGroup()
	if err == nil {
		err = o.fill(a, users(o))
	}
	if err == nil {
		err = o.addHosts(a, users)
	}
	return a, err
}

// nobody returns an error if the server, or one of its virtual hosts, has no account.
func (a *accounts) nobody() error {
	if a.anonymous == nil && len(a.byName)+len(a.sources) == 0 {
		return errors.New("nobody could log in; give --user, --users or --anonymous ro")
	}
	for _, name := range slices.Sorted(maps.Keys(a.hosts)) {
		if err := a.hosts[name].nobody(); err != nil {
			return blame("host", name, fmt.Errorf("--host %s: %w", name, err))
		}
	}
	return nil
}

// replace makes next the current accounts. It ends the sessions of users who are gone or
// changed, and returns their number.
func (r *roster) replace(next *accounts) (ended int) {
	gone := map[string]bool{}
	old := r.current.Swap(next)
	old.gone(next, gone)
	if r.walled {
		added, before := next.folders(), old.folders()
		maps.DeleteFunc(added, func(path string, _ []string) bool { return before[path] != nil })
		go r.warnOutside(added, r.sweeper.logger) // a folder may hang
	}
	if r.revoke == nil || len(gone) == 0 {
		return 0
	}
	return r.revoke(func(account string) bool { return gone[account] })
}

// folders maps all folders that are served to the names of the accounts that have them.
func (a *accounts) folders() map[string][]string {
	folders := map[string][]string{}
	a.each(func(own *account) { folders[own.root] = append(folders[own.root], own.unique) })
	return folders
}

// checkTime is how long the start waits for folders. One that hangs, on a network say,
// must not keep the users of all others out.
const checkTime = 5 * time.Second

// checkFolders warns of the folders that can't be opened at the start, for they may come
// later. Only that of --root is a fault, and only if all accounts have it.
func (r *roster) checkFolders(logger *slog.Logger) error {
	root, folders := r.options.Load().root, r.current.Load().folders()
	if folders[root] == nil {
		folders[root] = []string{"nobody"} // so that a slip in --root is warned of
	}
	checked := make(chan error, 1)
	go func() {
		defer close(checked)
		for _, path := range slices.Sorted(maps.Keys(folders)) {
			dir, err := folderAt(path, fsbridge.DirOptions{})
			switch {
			case err == nil:
				dir.Close()
			case path == root && len(folders) == 1:
				checked <- blame("root", root, fmt.Errorf("%w; choose a folder with --root", err))
			default:
				logger.Warn("a folder can't be opened; until it can be, its users are refused", "users", listed(folders[path]), "err", err)
			}
		}
	}()
	select {
	case err := <-checked:
		return err
	case <-time.After(checkTime):
		r.slow = true
		logger.Warn("a folder takes long to be opened; going on without")
		return nil
	}
}

// Authenticate implements [host.Authenticator].
func (r *roster) Authenticate(ctx context.Context, login host.Login) (*host.Account, error) {
	current := r.current.Load()
	found, err := current.find(ctx, login)
	if err == nil && r.locks.has(found.unique) {
		err = errLocked
	}
	if err != nil {
		return nil, err
	}
	bound, err := r.quotas.of(found)
	if err != nil {
		return nil, err
	}
	own, err := found.open(&r.folders, current.dirs)
	if err == nil && found.writes() {
		own.Quota = bound
		r.sweeper.sweep(found.root)
	}
	return own, err
}

// users are the accounts for administrators, by name.
func (r *roster) users() []admin.User {
	all := []admin.User{}
	r.current.Load().each(func(own *account) {
		all = append(all, admin.User{
			Name: own.unique, Rights: rightsInWords(own.rights), Root: own.root, Locked: own.closed() || r.locks.has(own.unique),
		})
	})
	slices.SortFunc(all, func(a, b admin.User) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// lock keeps a user out until the next reload that somebody asks for, and ends his sessions. It
// returns false if that is so already.
func (r *roster) lock(user string, locked bool) (changed bool) {
	changed = r.locks.set(user, locked)
	if changed && locked {
		r.revoke(func(account string) bool { return account == user })
	}
	return changed
}

// sweepAll removes unfinished uploads from all folders that an account may write to.
func (r *roster) sweepAll() {
	r.current.Load().each(func(own *account) {
		if own.writes() {
			r.sweeper.sweep(own.root)
		}
	})
}
