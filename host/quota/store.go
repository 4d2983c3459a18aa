package quota

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/host/internal/database"
)

// File is the name of the database in its folder.
const File = "quota.db"

const (
	flushTime = 500 * time.Millisecond // after which a change is written down
	lookTime  = 2 * time.Second        // between two looks for what others have written
)

const schema = `
CREATE TABLE IF NOT EXISTS usage (
	account TEXT PRIMARY KEY,
	bytes INTEGER NOT NULL DEFAULT 0,
	files INTEGER NOT NULL DEFAULT 0,
	changes INTEGER NOT NULL DEFAULT 0,
	counted INTEGER NOT NULL DEFAULT 0 -- what was there at first is in it, and nothing was lost since
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS server (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	running INTEGER NOT NULL -- the servers that have the database open, or have crashed
) STRICT;
INSERT OR IGNORE INTO server VALUES (1, 0);`

// Store keeps the counts of all accounts in a folder. One process at a time opens it by
// [Open], and one that takes over from it by [Join]; others may use [Show] and [Count] meanwhile.
type Store struct {
	db   *sql.DB
	fail func(error)

	version int64 // of the database, as the last look found it

	ending context.Context
	end    context.CancelFunc
	work   sync.WaitGroup
	wake   chan struct{}

	mu       sync.Mutex
	accounts map[string]*Account
	writing  sync.Mutex // one Flush at a time
}

// Open opens the store in a folder, which must be there. If it was not closed the last time,
// each account is counted anew when it is used. fail is told of what goes wrong later; nil
// tells nobody.
func Open(dir string, fail func(error)) (*Store, error) {
	return begin(dir, fail, `UPDATE usage SET counted = 0 WHERE (SELECT running FROM server); UPDATE server SET running = 1`)
}

// Join is [Open] while another process has the store open, which is to end. Until it has, an
// account may exceed its limits by what is under way in the other process.
func Join(dir string, fail func(error)) (*Store, error) {
	return begin(dir, fail, `UPDATE server SET running = running + 1`)
}

func begin(dir string, fail func(error), note string) (*Store, error) {
	db, err := open(dir)
	if err != nil {
		return nil, err
	}
	var version int64
	if _, err = db.Exec(note); err == nil {
		err = db.QueryRow(`PRAGMA data_version`).Scan(&version)
	}
	if err != nil {
		db.Close()
		return nil, fault(dir, err)
	}
	s := &Store{db: db, version: version, fail: fail, wake: make(chan struct{}, 1), accounts: map[string]*Account{}}
	s.ending, s.end = context.WithCancel(context.Background())
	s.work.Go(s.keep)
	return s, nil
}

func open(dir string) (*sql.DB, error) {
	db, err := database.Open(filepath.Join(dir, File), schema)
	if err != nil {
		return nil, fault(dir, err)
	}
	return db, nil
}

func fault(dir string, err error) error {
	return fmt.Errorf("the counts of quotas in %s: %w", filepath.Join(dir, File), err)
}

// Account is the account called name, always the same one for a name. The latest call says
// what its limits are. If what is there was never counted, or the last server crashed, a
// goroutine counts what root opens, and calls close.
func (s *Store) Account(name string, limits Limits, root func() (fsys fs.FS, close func() error, err error)) (*Account, error) {
	if err := limits.Check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[name]
	if a == nil {
		a = &Account{store: s, name: name}
		row := s.db.QueryRow(`SELECT bytes, files, counted FROM usage WHERE account = ?`, name)
		err := row.Scan(&a.used.Bytes, &a.used.Files, &a.counted)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("the counts of quotas: %w", err)
		}
		s.accounts[name] = a
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limits = limits
	if !a.counted && !a.counting && s.ending.Err() == nil {
		a.counting = true
		s.work.Go(func() { s.first(a, root) })
	}
	return a, nil
}

// first counts what an account has at its first use.
func (s *Store) first(a *Account, root func() (fs.FS, func() error, error)) {
	fsys, shut, err := root()
	if err == nil {
		_, err = a.scan(s.ending, fsys, true)
		err = errors.Join(err, shut())
	}
	a.mu.Lock()
	a.counting = false
	a.mu.Unlock()
	if s.ending.Err() == nil {
		s.tell(err)
	}
}

func (s *Store) tell(err error) {
	if err != nil && s.fail != nil {
		s.fail(err)
	}
}

// keep writes down what changes, and reads what other processes have counted, until the
// store is closed.
func (s *Store) keep() {
	look := time.NewTicker(lookTime)
	defer look.Stop()
	for {
		select {
		case <-s.ending.Done():
			return
		case <-look.C:
			s.tell(s.look())
			continue
		case <-s.wake:
		}
		select {
		case <-s.ending.Done():
			return
		case <-time.After(flushTime):
			s.tell(s.Flush())
		}
	}
}

// look reads the counts again if another process has changed any.
func (s *Store) look() error {
	before := s.version
	if err := s.db.QueryRow(`PRAGMA data_version`).Scan(&s.version); err != nil || s.version == before {
		return err
	}
	for _, a := range s.all() {
		a.mu.Lock()
		a.dirty = true
		a.mu.Unlock()
	}
	return s.Flush()
}

func (s *Store) all() []*Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.accounts))
}

// Flush writes down what has changed.
func (s *Store) Flush() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	var dirty []*Account
	for _, a := range s.all() {
		a.mu.Lock()
		if a.dirty {
			dirty = append(dirty, a)
		}
		a.mu.Unlock()
	}
	if len(dirty) == 0 {
		return nil
	}
	if err := s.write(dirty); err != nil {
		return fmt.Errorf("the counts of quotas can't be written, and are kept in memory: %w", err)
	}
	return nil
}

// replace sets the count of an account to found, and what has come since before. With first
// it leaves what another process has counted meanwhile.
func (s *Store) replace(a *Account, found fsbridge.Usage, before moment, first bool) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	tx, err := s.db.Begin() // no other process writes until its end
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var now fsbridge.Usage
	var counted bool
	err = tx.QueryRow(`SELECT bytes, files, counted FROM usage WHERE account = ?`, a.name).Scan(&now.Bytes, &now.Files, &counted)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !first || !counted {
		found = plus(found, grown(before.sum, plus(a.used, a.pending)))
		a.pending = minus(found, now)
	}
	a.used, a.counted = now, true
	a.note()
	return nil
}

const add = `INSERT INTO usage (account, bytes, files, counted, changes) VALUES (?, ?, ?, ?, 1)
	ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes, files = files + excluded.files,
		counted = max(counted, excluded.counted), changes = changes + 1
	RETURNING bytes, files`

// write adds to the counts in the database, and takes what they are then.
func (s *Store) write(dirty []*Account) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	type row struct{ added, used fsbridge.Usage }
	rows := make([]row, len(dirty))
	for i, a := range dirty {
		a.mu.Lock()
		added, counted := a.pending, a.counted
		a.mu.Unlock()
		rows[i].added = added
		used := &rows[i].used
		if err := tx.QueryRow(add, a.name, added.Bytes, added.Files, counted).Scan(&used.Bytes, &used.Files); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	for i, a := range dirty {
		a.mu.Lock()
		a.used, a.pending = rows[i].used, minus(a.pending, rows[i].added)
		if a.dirty = false; a.pending != (fsbridge.Usage{}) {
			a.note()
		}
		a.mu.Unlock()
	}
	return nil
}

// Close writes down what has changed, and closes the database. No account of the store may
// be used afterwards.
func (s *Store) Close() error {
	s.end()
	s.work.Wait()
	err := s.Flush()
	if err == nil {
		_, err = s.db.Exec(`UPDATE server SET running = running - 1`)
	}
	return errors.Join(err, s.db.Close())
}
