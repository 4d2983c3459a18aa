package host

import "wasiftp/host/turns"

// threads are those of the system that calls may hold at a time. A disk that hangs
// keeps the thread of each call that is made to it, and Go ends the process when the
// system gives it no more. An account has a share of them only, so that its disk
// cannot stop the others. Whoever waits for one holds none.
type threads struct {
	open      turns.Queue[string] // files and directories: one each, from before it is opened until it is closed
	questions turns.Queue[string] // about files, by their names
	logins    turns.Queue[string]
}

// share gives half of all to what is open, of which one account may have nearly
// all: it may have many transfers that take hours. Questions and authenticators
// take a moment each, and so half of what they have is enough for any account.
func (t *threads) share(all int) {
	open, logins := max(all/2, 1), max(all/8, 1)
	questions := max(all-open-logins, 1)
	t.open.Places, t.open.Spare = open, eighth(open)
	t.questions.Places, t.questions.Spare = questions, (questions+1)/2
	t.logins.Places, t.logins.Spare = logins, (logins+1)/2
}

// eighth is what is kept of n things that one party may have nearly all of.
func eighth(n int) int { return (n + 7) / 8 }
