// Package quota keeps what accounts store in an SQLite database, and bounds it: its accounts
// are the Quota of [wasiftp/host.Account]. Embedders who do not import it do not link SQLite.
package quota

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"sync"
	"syscall"

	"wasiftp/fsbridge"
)

// Limits bound what an account stores; 0 is no limit.
type Limits struct {
	Bytes int64 // of regular files
	Files int64 // these, folders, links, and all else that has a name
}

// Check is the fault of limits; nil for none.
func (l Limits) Check() error {
	if l.Bytes < 0 || l.Files < 0 {
		return fmt.Errorf("a quota of %d bytes and %d files; neither must be negative", l.Bytes, l.Files)
	}
	return nil
}

// Account is what one account stores. It implements [wasiftp/fsbridge.Quota]. Its methods
// wait for no disk: the store writes the counts down half a second later.
type Account struct {
	sync.Mutex // held while what is there changes, see fsbridge.Quota

	store *Store
	name  string

	mu       sync.Mutex
	limits   Limits
	used     fsbridge.Usage // as the database has it
	pending  fsbridge.Usage // not yet written there
	reserved fsbridge.Usage
	changes  int  // calls of Count
	dirty    bool // changed since it was last written
	counted  bool // what is there was counted, and nothing was lost since
	counting bool // a goroutine counts what is there
}

// Reserve implements [fsbridge.Quota].
func (a *Account) Reserve(bytes, files int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	leftBytes, leftFiles := a.left()
	if bytes > 0 && bytes > leftBytes || files > 0 && files > leftFiles {
		return syscall.EDQUOT
	}
	a.reserved.Bytes += bytes
	a.reserved.Files += files
	return nil
}

// Release implements [fsbridge.Quota].
func (a *Account) Release(bytes, files int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reserved.Bytes -= bytes
	a.reserved.Files -= files
}

// Count implements [fsbridge.Quota].
func (a *Account) Count(bytes, files int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending.Bytes += bytes
	a.pending.Files += files
	a.changes++
	a.note()
}

// note has the store write the account down soon. Callers hold a.mu.
func (a *Account) note() {
	if a.dirty {
		return
	}
	a.dirty = true
	select {
	case a.store.wake <- struct{}{}:
	default:
	}
}

// Left implements [fsbridge.Quota].
func (a *Account) Left() (bytes, files int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.left()
}

func (a *Account) left() (bytes, files int64) {
	return left(a.limits.Bytes, a.used.Bytes+a.pending.Bytes, a.reserved.Bytes),
		left(a.limits.Files, a.used.Files+a.pending.Files, a.reserved.Files)
}

// left is what is left of a limit. A count below zero comes of what was not counted at
// first, and leaves no more than the limit.
func left(limit, used, reserved int64) int64 {
	if limit == 0 {
		return math.MaxInt64
	}
	return max(limit-max(used, 0)-reserved, 0)
}

// Usage is what the account stores, without what is under way.
func (a *Account) Usage() fsbridge.Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sum()
}

func (a *Account) sum() fsbridge.Usage {
	sum := plus(a.used, a.pending)
	return fsbridge.Usage{Bytes: max(sum.Bytes, 0), Files: max(sum.Files, 0)}
}

func plus(a, b fsbridge.Usage) fsbridge.Usage {
	return fsbridge.Usage{Bytes: a.Bytes + b.Bytes, Files: a.Files + b.Files}
}

func minus(a, b fsbridge.Usage) fsbridge.Usage {
	return fsbridge.Usage{Bytes: a.Bytes - b.Bytes, Files: a.Files - b.Files}
}

// grown is what now has more than before, and nothing where it has less.
func grown(before, now fsbridge.Usage) fsbridge.Usage {
	more := minus(now, before)
	return fsbridge.Usage{Bytes: max(more.Bytes, 0), Files: max(more.Files, 0)}
}

// Counted says whether what was there at first is counted. Until then, only what has come
// since counts.
func (a *Account) Counted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.counted
}

// quietly is how often Scan counts again if the account changes files meanwhile.
const quietly = 3

// Scan counts what is in the account's storage, and replaces the count by that. If the
// account changes files meanwhile it counts again, and at last adds what has come: then the
// count may be too high, but is never too low, and exact is false.
func (a *Account) Scan(ctx context.Context, fsys fs.FS) (exact bool, err error) {
	return a.scan(ctx, fsys, false)
}

// scan is Scan. With first, what another process has counted meanwhile stays.
func (a *Account) scan(ctx context.Context, fsys fs.FS, first bool) (exact bool, err error) {
	for try := range quietly {
		before := a.mark()
		found, err := fsbridge.Measure(ctx, fsys)
		if err != nil {
			return false, fmt.Errorf("what %q stores can't be counted: %w", a.name, err)
		}
		if exact = a.mark() == before && before.reserved == (fsbridge.Usage{}); exact || try == quietly-1 {
			return exact, a.replace(found, before, first)
		}
	}
	return false, nil
}

// moment is the state of an account, from which later changes can be told.
type moment struct {
	changes  int
	reserved fsbridge.Usage
	sum      fsbridge.Usage
}

func (a *Account) mark() moment {
	a.mu.Lock()
	defer a.mu.Unlock()
	return moment{a.changes, a.reserved, plus(a.used, a.pending)}
}

// replace sets the count to found, and what has come since before.
func (a *Account) replace(found fsbridge.Usage, before moment, first bool) error {
	if err := a.store.replace(a, found, before, first); err != nil {
		return fmt.Errorf("the counts of quotas: %w", err)
	}
	return a.store.Flush()
}
