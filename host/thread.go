package host

import "wasiftp/host/turns"

// threads share out Limits.Threads, by account. A disk that hangs keeps the thread of each
// call, and Go ends a process that gets no more threads. An account gets only a share, so
// that its disk cannot stop the others. A call that waits for a place holds no thread.
type threads struct {
	open      turns.Queue[string] // one place for each open file or directory, from before it is opened until it is closed
	questions turns.Queue[string] // about files by their names, and Account.Close
	logins    turns.Queue[string]
}

// share gives half of all to open files. One account may get nearly all of that half, as
// it may have many transfers that take hours. Questions and logins take a moment each, so
// half of their places is enough for any account.
func (t *threads) share(all int) {
	open, logins := max(all/2, 1), max(all/8, 1)
	questions := max(all-open-logins, 1)
	t.open.Places, t.open.Spare = open, eighth(open)
	t.questions.Places, t.questions.Spare = questions, (questions+1)/2
	t.logins.Places, t.logins.Spare = logins, (logins+1)/2
}

// eighth is an eighth of n, rounded up: the Spare of places of which one key may have most.
func eighth(n int) int { return (n + 7) / 8 }
