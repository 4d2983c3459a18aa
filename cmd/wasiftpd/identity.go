package main

import (
	"errors"
	"fmt"
	osuser "os/user"
	"runtime"
	"strconv"
	"strings"
)

// identity is the user that the server becomes by --run-as once it has done what
// only root may.
type identity struct {
	name     string // as it was given
	uid, gid int
	groups   []int // supplementary ones
}

// parseIdentity reads USER[:GROUP], names or numbers. USER alone has all groups that the
// system lists for the user; USER:GROUP has GROUP and no other.
func parseIdentity(s string) (*identity, error) {
	if runtime.GOOS == "windows" {
		return nil, errors.New("there is no root on Windows; install a service, which has a user of its own")
	}
	name, group, grouped := strings.Cut(s, ":")
	if name == "" || grouped && group == "" {
		return nil, fmt.Errorf("%q is no USER or USER:GROUP such as ftp or ftp:www-data", s)
	}
	known, err := userOf(name)
	if err != nil && (!grouped || !isNumber(name)) {
		return nil, fmt.Errorf("there is no user %s: %w", name, err)
	}
	id := &identity{name: s}
	if err != nil {
		known = &osuser.User{Uid: name} // a user in a container often has no name
	}
	if id.uid, err = strconv.Atoi(known.Uid); err != nil {
		return nil, fmt.Errorf("the user %s has no number", name)
	}
	if id.uid == 0 {
		return nil, errors.New("the user must not be root; give another user")
	}
	if grouped {
		id.gid, err = groupOf(group)
		return id, err
	}
	if id.gid, err = strconv.Atoi(known.Gid); err != nil {
		return nil, fmt.Errorf("the user %s has no group", name)
	}
	all, err := known.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("cannot find the groups of %s: %w; give one as in %s:%d", name, err, name, id.gid)
	}
	for _, one := range all {
		if gid, err := strconv.Atoi(one); err == nil && gid != id.gid {
			id.groups = append(id.groups, gid)
		}
	}
	return id, nil
}

// userOf finds a user by name or, if no user has that name, by number.
func userOf(name string) (*osuser.User, error) {
	found, err := osuser.Lookup(name)
	if err != nil && isNumber(name) {
		return osuser.LookupId(name)
	}
	return found, err
}

func groupOf(name string) (int, error) {
	found, err := osuser.LookupGroup(name)
	if err == nil {
		name = found.Gid
	}
	if err != nil && !isNumber(name) {
		return 0, fmt.Errorf("there is no group %s: %w", name, err)
	}
	return strconv.Atoi(name)
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}
