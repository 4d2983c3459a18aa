package host

import (
	"context"
	"slices"
	"sync"
)

// threads are those of the system that one kind of calls may hold at a time. A
// disk that hangs keeps the thread of each call that is made to it, and Go ends
// the process when the system gives it no more. An account has a share of them
// only, so that its disk cannot stop the others. nil bounds nothing.
type threads struct {
	mu     sync.Mutex
	shares shares[string]
	lines  []*line
}

// line is where an account's calls wait for their turn. There is one for each
// account of which some wait.
type line struct {
	account string
	turns   []chan struct{} // each closed once it has come
}

func newThreads(size, spare int) *threads {
	return &threads{shares: newShares[string](size, spare)}
}

// division are the threads that there are for each kind of calls.
type division struct {
	open      *threads // files and directories: one each, from before it is opened until it is closed
	questions *threads // about files, by their names
	logins    *threads
}

// divide gives half of all to what is open, of which one account may have nearly
// all: it may have many transfers that take hours. Questions and authenticators
// take a moment each, and so half of what they have is enough for any account.
func divide(all int) division {
	open, logins := max(all/2, 1), max(all/8, 1)
	questions := max(all-open-logins, 1)
	return division{
		open: newThreads(open, eighth(open)), questions: newThreads(questions, (questions+1)/2),
		logins: newThreads(logins, (logins+1)/2),
	}
}

// eighth is what is kept of n things that one party may have nearly all of.
func eighth(n int) int { return (n + 7) / 8 }

// try takes a thread if there is one.
func (t *threads) try(account string) bool {
	if t == nil {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shares.take(account)
}

// enter takes a thread, and waits for it if it has to. It reports false when ctx
// ends before. Whoever waits holds no thread.
func (t *threads) enter(ctx context.Context, account string) bool {
	if t == nil {
		return true
	}
	t.mu.Lock()
	if t.shares.take(account) {
		t.mu.Unlock()
		return true
	}
	turn := t.wait(account)
	t.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.forget(account, turn) { // it has come meanwhile
		t.shares.give(account)
		t.next()
	}
	return false
}

// leave gives a thread back.
func (t *threads) leave(account string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shares.give(account)
	t.next()
}

// wait puts a call at the end of its account's line. Callers hold t.mu, here and
// below.
func (t *threads) wait(account string) chan struct{} {
	turn := make(chan struct{})
	at := t.find(account)
	if at < 0 {
		at = len(t.lines)
		t.lines = append(t.lines, &line{account: account})
	}
	t.lines[at].turns = append(t.lines[at].turns, turn)
	return turn
}

func (t *threads) find(account string) int {
	return slices.IndexFunc(t.lines, func(l *line) bool { return l.account == account })
}

// forget takes a call out of its line, and reports false when it is not there.
func (t *threads) forget(account string, turn chan struct{}) bool {
	at := t.find(account)
	if at < 0 {
		return false
	}
	l := t.lines[at]
	i := slices.Index(l.turns, turn)
	if i < 0 {
		return false
	}
	if l.turns = slices.Delete(l.turns, i, i+1); len(l.turns) == 0 {
		t.lines = slices.Delete(t.lines, at, at+1)
	}
	return true
}

// next lets in whoever can be, an account after the other.
func (t *threads) next() {
	for i := 0; i < len(t.lines) && t.shares.free > 0; {
		l := t.lines[i]
		if !t.shares.take(l.account) {
			i++
			continue
		}
		close(l.turns[0])
		t.lines = slices.Delete(t.lines, i, i+1)
		if l.turns = l.turns[1:]; len(l.turns) > 0 {
			t.lines = append(t.lines, l)
		}
	}
}
