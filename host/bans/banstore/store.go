// Package banstore keeps the bans of a server in a folder, so that they outlive the server,
// and so that other processes can list, begin and end bans.
package banstore

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"wasiftp/host/bans"
	"wasiftp/host/internal/database"
)

// File is the name of the database in its folder.
const File = "bans.db"

// Aside is what the name of a broken database ends with.
const Aside = ".broken"

const lookTime = 500 * time.Millisecond // between two looks for what others have written

const schema = `
CREATE TABLE IF NOT EXISTS bans (
	network TEXT PRIMARY KEY,
	since INTEGER NOT NULL, -- in milliseconds since 1970, by the clock of then
	until INTEGER NOT NULL,
	failures INTEGER NOT NULL,
	nth INTEGER NOT NULL
) STRICT, WITHOUT ROWID;`

// row is a ban in the database.
type row struct{ since, until, failures, nth int64 }

func rowOf(b bans.Ban) row {
	return row{b.From.UnixMilli(), b.Until.UnixMilli(), int64(b.Failures), int64(b.Nth)}
}

func (r row) ban(network netip.Prefix) bans.Ban {
	return bans.Ban{
		Network: network, From: time.UnixMilli(r.since), Until: time.UnixMilli(r.until), Failures: int(r.failures), Nth: int(r.nth),
	}
}

// Store keeps the bans of one book. It is the book's [bans.Keeper].
type Store struct {
	db   *sql.DB
	book *bans.Book
	fail func(error)
	end  chan struct{}
	done chan struct{}
	wake chan struct{}

	// What the goroutine of the store alone uses.
	version int64
	known   map[netip.Prefix]row // what the database had when it was last read or written
	failed  bool                 // the latest try, which fail was told of

	mu      sync.Mutex
	pending map[netip.Prefix]*row // to be written; nil is to be deleted
}

// Open opens the store in a folder, which must be there, restores its bans to the book, and
// keeps the book's bans from then on. A database that can't be read is moved aside, and
// another begins. fail is told of that, and of what goes wrong later; nil tells nobody.
func Open(dir string, book *bans.Book, fail func(error)) (*Store, error) {
	s := &Store{
		book: book, fail: fail, end: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1),
		known: map[netip.Prefix]row{}, pending: map[netip.Prefix]*row{},
	}
	err := s.open(dir)
	if database.Broken(err) {
		path := filepath.Join(dir, File)
		s.tell(fmt.Errorf("the bans begin anew, and the file that can't be read is now %s: %w", path+Aside, err))
		os.Remove(path + "-wal")
		os.Remove(path + "-shm")
		if err = os.Rename(path, path+Aside); err == nil {
			err = s.open(dir)
		}
	}
	if err != nil {
		return nil, fault(dir, err)
	}
	book.Keep(s)
	go s.keep()
	return s, nil
}

func fault(dir string, err error) error {
	return fmt.Errorf("the bans in %s: %w", filepath.Join(dir, File), err)
}

// open opens the database and reads the bans in it.
func (s *Store) open(dir string) (err error) {
	if s.db, err = database.Open(filepath.Join(dir, File), schema); err != nil {
		return err
	}
	if err = s.look(); err != nil {
		s.db.Close()
	}
	return err
}

// Put implements [bans.Keeper].
func (s *Store) Put(b bans.Ban) {
	r := rowOf(b)
	s.note(b.Network, &r)
}

// Drop implements [bans.Keeper].
func (s *Store) Drop(network netip.Prefix) { s.note(network, nil) }

func (s *Store) note(network netip.Prefix, r *row) {
	s.mu.Lock()
	s.pending[network] = r
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// keep writes down what changes, and takes what other processes have changed, until the
// store is closed.
func (s *Store) keep() {
	defer close(s.done)
	ticker := time.NewTicker(lookTime)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-s.end:
			return
		case <-s.wake:
			err = s.flush()
		case <-ticker.C:
			err = errors.Join(s.flush(), s.look())
		}
		if err != nil && !s.failed {
			s.tell(fmt.Errorf("bans can't be kept, and are in memory only: %w", err))
		}
		s.failed = err != nil
	}
}

func (s *Store) tell(err error) {
	if s.fail != nil {
		s.fail(err)
	}
}

// look takes what others have changed in the database since the last look.
func (s *Store) look() error {
	var version int64
	if err := s.db.QueryRow(`PRAGMA data_version`).Scan(&version); err != nil || version == s.version {
		return err
	}
	now, err := read(s.db)
	if err != nil {
		return err
	}
	s.version = version
	before := s.known
	s.known = now
	for network := range before {
		if _, still := now[network]; !still && !s.waits(network) {
			s.book.Clear(network)
		}
	}
	for network, r := range now {
		if before[network] != r && !s.waits(network) {
			s.book.Restore(r.ban(network))
		}
	}
	return nil
}

// waits reports whether the book has changed a ban since it was read.
func (s *Store) waits(network netip.Prefix) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, waits := s.pending[network]
	return waits
}

// read reads all bans, but for what can't be one.
func read(db *sql.DB) (map[netip.Prefix]row, error) {
	rows, err := db.Query(`SELECT network, since, until, failures, nth FROM bans`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[netip.Prefix]row{}
	for rows.Next() {
		var text string
		var r row
		if err := rows.Scan(&text, &r.since, &r.until, &r.failures, &r.nth); err != nil {
			return nil, err
		}
		if network, err := netip.ParsePrefix(text); err == nil {
			all[network] = r
		}
	}
	return all, rows.Err()
}

// flush writes down what has changed.
func (s *Store) flush() error {
	s.mu.Lock()
	changes := s.pending
	s.pending = map[netip.Prefix]*row{}
	s.mu.Unlock()
	if len(changes) == 0 {
		return nil
	}
	if err := write(s.db, changes); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		for network, r := range changes {
			if _, newer := s.pending[network]; !newer {
				s.pending[network] = r
			}
		}
		return err
	}
	for network, r := range changes {
		if r == nil {
			delete(s.known, network)
		} else {
			s.known[network] = *r
		}
	}
	return nil
}

func write(db *sql.DB, changes map[netip.Prefix]*row) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for network, r := range changes {
		if r == nil {
			_, err = tx.Exec(`DELETE FROM bans WHERE network = ?`, network.String())
		} else {
			_, err = tx.Exec(`INSERT OR REPLACE INTO bans VALUES (?, ?, ?, ?, ?)`, network.String(), r.since, r.until, r.failures, r.nth)
		}
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Close writes down what has changed, and closes the database. The book goes on without.
func (s *Store) Close() error {
	s.book.Keep(nil)
	close(s.end)
	<-s.done
	return errors.Join(s.flush(), s.db.Close())
}

// anyLength is longer than any policy bans for.
const anyLength = 10 * 365 * 24 * time.Hour

// List lists the bans in a folder that are in force by this clock. It fails with
// [fs.ErrNotExist] if no server has kept bans there.
func List(dir string) (list []bans.Ban, err error) {
	if _, err := os.Stat(filepath.Join(dir, File)); err != nil {
		return nil, fault(dir, err)
	}
	err = change(dir, func(db *sql.DB) error {
		all, err := read(db)
		book, _ := bans.New(bans.Policy{Longest: anyLength}, nil)
		for network, r := range all {
			book.Restore(r.ban(network))
		}
		list = book.Bans()
		return err
	})
	return list, err
}

// Add bans a network for some time. A server that keeps its bans in the folder takes the ban
// within a second.
func Add(dir string, network netip.Prefix, lasts time.Duration) error {
	book, _ := bans.New(bans.Policy{}, nil)
	if err := book.Add(network, lasts); err != nil {
		return err
	}
	changes := map[netip.Prefix]*row{}
	for _, b := range book.Bans() {
		r := rowOf(b)
		changes[b.Network] = &r
	}
	return change(dir, func(db *sql.DB) error { return write(db, changes) })
}

// Clear ends all bans of a network, of parts of it and of those that it is a part of, and
// returns their number, as [bans.Book.Clear] does.
func Clear(dir string, network netip.Prefix) (ended int, err error) {
	if _, err := os.Stat(filepath.Join(dir, File)); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	err = change(dir, func(db *sql.DB) error {
		all, err := read(db)
		if err != nil {
			return err
		}
		now, changes := time.Now().UnixMilli(), map[netip.Prefix]*row{}
		for other, r := range all {
			if network.Overlaps(other) {
				changes[other] = nil
				if now < r.until {
					ended++
				}
			}
		}
		return write(db, changes)
	})
	return ended, err
}

// change has another process than the server's use the database.
func change(dir string, use func(*sql.DB) error) error {
	db, err := database.Open(filepath.Join(dir, File), schema)
	if err != nil {
		return fault(dir, err)
	}
	if err := errors.Join(use(db), db.Close()); err != nil {
		return fault(dir, err)
	}
	return nil
}
