package events

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"wasiftp/host/internal/database"
)

// File is the name of the database in its folder.
const File = "events.db"

const schema = `
CREATE TABLE IF NOT EXISTS event (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	hook TEXT NOT NULL,
	user BLOB NOT NULL,
	id TEXT NOT NULL,
	body BLOB NOT NULL,
	put INTEGER NOT NULL -- when, in milliseconds
) STRICT;
CREATE INDEX IF NOT EXISTS event_of_lane ON event (hook, user, number);
CREATE TABLE IF NOT EXISTS lane (
	hook TEXT NOT NULL,
	user BLOB NOT NULL,
	due INTEGER NOT NULL, -- when it may be taken, in milliseconds; of one that is taken, the end of the lease
	holder TEXT NOT NULL DEFAULT '', -- the host that has taken it
	tries INTEGER NOT NULL DEFAULT 0, -- of its first event, that have failed
	error TEXT NOT NULL DEFAULT '', -- of the latest
	PRIMARY KEY (hook, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lane_by_time ON lane (hook, due);`

// FolderSpool is a [Spool] in a folder. Several processes may have it open.
type FolderSpool struct {
	db     *sql.DB
	path   string
	holder string // this process in the database
}

// OpenSpool opens the spool in a folder, which must be there. What it keeps outlives the
// process; with sync it outlives a loss of power too, and each Put waits for the disk.
func OpenSpool(dir string, sync bool) (*FolderSpool, error) {
	path, err := filepath.Abs(filepath.Join(dir, File))
	if err != nil {
		return nil, err
	}
	var pragmas []string
	if sync {
		pragmas = []string{"synchronous(FULL)"}
	}
	s := &FolderSpool{path: path, holder: rand.Text()}
	if s.db, err = database.Open(path, schema, pragmas...); err != nil {
		return nil, s.fault(err)
	}
	return s, nil
}

// fault words an error of the database; nil is nil.
func (s *FolderSpool) fault(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the events that are kept in %s: %w", s.path, err)
}

// within runs work in a transaction.
func (s *FolderSpool) within(ctx context.Context, work func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.fault(err)
	}
	defer tx.Rollback()
	if err := work(tx); err != nil {
		return s.fault(err)
	}
	return s.fault(tx.Commit())
}

func now() int64 { return time.Now().UnixMilli() }

// Put implements [Spool].
func (s *FolderSpool) Put(ctx context.Context, entries []Entry) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		for _, e := range entries {
			_, err := tx.ExecContext(ctx, `INSERT INTO event (hook, user, id, body, put) VALUES (?, ?, ?, ?, ?)`,
				e.Hook, []byte(e.User), e.ID, e.Event, now())
			if err == nil {
				_, err = tx.ExecContext(ctx, `INSERT INTO lane (hook, user, due) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
					e.Hook, []byte(e.User), now())
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Take implements [Spool].
func (s *FolderSpool) Take(ctx context.Context, hook string, most int) (taken []Taken, next time.Time, err error) {
	if next, err = s.next(ctx, hook); err != nil || next.IsZero() || next.After(time.Now()) {
		return nil, next, s.fault(err)
	}
	err = s.within(ctx, func(tx *sql.Tx) error {
		users, err := s.hold(ctx, tx, hook, most)
		if err != nil {
			return err
		}
		for _, t := range users {
			row := tx.QueryRowContext(ctx, `SELECT number, id, body FROM event WHERE hook = ? AND user = ? ORDER BY number LIMIT 1`,
				hook, []byte(t.User))
			if err := row.Scan(&t.Number, &t.ID, &t.Event); err != nil {
				return err // a lane is there as long as it has an event
			}
			taken = append(taken, t)
		}
		return nil
	})
	if err != nil {
		return nil, next, err
	}
	next, err = s.next(ctx, hook)
	return taken, next, s.fault(err)
}

// next is when a lane of others, or of nobody, becomes due.
func (s *FolderSpool) next(ctx context.Context, hook string) (at time.Time, err error) {
	var due sql.NullInt64
	err = s.db.QueryRowContext(ctx, `SELECT min(due) FROM lane WHERE hook = ? AND holder <> ?`, hook, s.holder).Scan(&due)
	if err == nil && due.Valid {
		at = time.UnixMilli(due.Int64)
	}
	return at, err
}

// hold takes lanes.
func (s *FolderSpool) hold(ctx context.Context, tx *sql.Tx, hook string, most int) (lanes []Taken, err error) {
	rows, err := tx.QueryContext(ctx, `UPDATE lane SET due = ?, holder = ? WHERE (hook, user) IN (
		SELECT hook, user FROM lane WHERE hook = ? AND due <= ? AND holder <> ? ORDER BY due LIMIT ?) RETURNING user, tries`,
		now()+LeaseTime.Milliseconds(), s.holder, hook, now(), s.holder, most)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		t, user := Taken{Entry: Entry{Hook: hook}}, []byte(nil)
		if err := rows.Scan(&user, &t.Tries); err != nil {
			return nil, err
		}
		t.User = string(user)
		lanes = append(lanes, t)
	}
	return lanes, rows.Err()
}

// Done implements [Spool].
func (s *FolderSpool) Done(ctx context.Context, t Taken) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM event WHERE number = ?`, t.Number); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE lane SET due = ?, holder = '', tries = 0, error = ''
			WHERE hook = ? AND user = ? AND holder = ?`, now(), t.Hook, []byte(t.User), s.holder)
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM lane WHERE hook = ?1 AND user = ?2
				AND NOT EXISTS (SELECT 1 FROM event WHERE hook = ?1 AND user = ?2)`, t.Hook, []byte(t.User))
		}
		return err
	})
}

// Fail implements [Spool].
func (s *FolderSpool) Fail(ctx context.Context, t Taken, again time.Time, reason string) error {
	_, err := s.db.ExecContext(ctx, `UPDATE lane SET due = ?, holder = '', tries = tries + 1, error = ?
		WHERE hook = ? AND user = ? AND holder = ?`, again.UnixMilli(), reason, t.Hook, []byte(t.User), s.holder)
	return s.fault(err)
}

// Hurry implements [Spool].
func (s *FolderSpool) Hurry(ctx context.Context, hook string) error {
	_, err := s.db.ExecContext(ctx, `UPDATE lane SET due = ?1 WHERE hook = ?2 AND holder = '' AND due > ?1`, now(), hook)
	return s.fault(err)
}

// Renew implements [Spool].
func (s *FolderSpool) Renew(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, `UPDATE lane SET due = ? WHERE holder = ?`, now()+LeaseTime.Milliseconds(), s.holder)
	return s.fault(err)
}

// Close implements [Spool].
func (s *FolderSpool) Close() error {
	_, err := s.db.Exec(`UPDATE lane SET due = ?, holder = '' WHERE holder = ?`, now(), s.holder)
	return errors.Join(s.fault(err), s.db.Close())
}

// Backlog is what the spool keeps for a hook.
type Backlog struct {
	Hook   string
	Events int
	Users  int       // whose events these are
	Oldest time.Time // when the first of them was put there
	Failed int       // of the users, those whose first event was tried in vain
	Error  string    // of one of these; "" for none
}

// OpenKept opens the spool in a folder only if there is one; else the error is fs.ErrNotExist.
func OpenKept(dir string) (*FolderSpool, error) {
	if _, err := os.Stat(filepath.Join(dir, File)); err != nil {
		return nil, err
	}
	return OpenSpool(dir, false)
}

// Backlogs is what the spool keeps, by the hooks' names.
func (s *FolderSpool) Backlogs(ctx context.Context) (all []Backlog, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT hook, count(*), min(put),
		(SELECT count(*) FROM lane WHERE lane.hook = event.hook),
		(SELECT count(*) FROM lane WHERE lane.hook = event.hook AND tries > 0),
		coalesce((SELECT error FROM lane WHERE lane.hook = event.hook AND tries > 0 ORDER BY due DESC LIMIT 1), '')
		FROM event GROUP BY hook ORDER BY hook`)
	if err != nil {
		return nil, s.fault(err)
	}
	defer rows.Close()
	for rows.Next() {
		var b Backlog
		var oldest int64
		if err := rows.Scan(&b.Hook, &b.Events, &oldest, &b.Users, &b.Failed, &b.Error); err != nil {
			return nil, s.fault(err)
		}
		b.Oldest = time.UnixMilli(oldest)
		all = append(all, b)
	}
	return all, s.fault(rows.Err())
}

// Drop forgets all that is kept for a hook, and returns how many events that were. What is
// being delivered may still arrive.
func (s *FolderSpool) Drop(ctx context.Context, hook string) (dropped int64, err error) {
	err = s.within(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM event WHERE hook = ?`, hook)
		if err == nil {
			dropped, err = result.RowsAffected()
		}
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM lane WHERE hook = ?`, hook)
		}
		return err
	})
	return dropped, err
}
