package main

import (
	"fmt"
	"sync"

	"wasiftp/host"
)

// locks are the users whom an administrator keeps out until the next reload.
type locks struct {
	mu    sync.Mutex
	users map[string]bool
}

// errLocked is the reason for the log. The client hears what it hears of a wrong password.
var errLocked = fmt.Errorf("%w: an administrator has locked the account until the next reload", host.ErrDenied)

func (l *locks) has(user string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.users[user]
}

// set locks a user out, or lets him in again. It returns false if that is so already.
func (l *locks) set(user string, locked bool) (changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users[user] == locked {
		return false
	}
	if locked {
		if l.users == nil {
			l.users = map[string]bool{}
		}
		l.users[user] = true
	} else {
		delete(l.users, user)
	}
	return true
}

// clear lets all in again.
func (l *locks) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.users)
}
