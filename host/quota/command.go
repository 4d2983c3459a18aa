package quota

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"wasiftp/fsbridge"
)

// Row is what the database has of an account.
type Row struct {
	Account string
	fsbridge.Usage
	Counted bool // what is there was counted, and no server has crashed since
}

// Show reads the counts in a folder, by the accounts' names. A server may have it open: it
// writes half a second late. Without a database the error is [fs.ErrNotExist].
func Show(dir string) (rows []Row, err error) {
	if _, err := os.Stat(filepath.Join(dir, File)); err != nil {
		return nil, err
	}
	db, err := open(dir)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	found, err := db.Query(`SELECT account, bytes, files, counted FROM usage ORDER BY account`)
	if err != nil {
		return nil, fault(dir, err)
	}
	defer found.Close()
	for found.Next() {
		var r Row
		if err := found.Scan(&r.Account, &r.Bytes, &r.Files, &r.Counted); err != nil {
			return nil, fault(dir, err)
		}
		rows = append(rows, r)
	}
	return rows, found.Err()
}

// Count counts what an account has in its storage, and writes that into the database of a
// folder, also while a server has it open. If the account changes files meanwhile it counts
// again, and at last adds what has come: then exact is false, and the count may be too high.
func Count(ctx context.Context, dir, account string, fsys fs.FS) (found fsbridge.Usage, exact bool, err error) {
	db, err := open(dir)
	if err != nil {
		return found, false, err
	}
	defer db.Close()
	for try := range quietly {
		before, err := read(db, account)
		if err != nil {
			return found, false, fault(dir, err)
		}
		if found, err = fsbridge.Measure(ctx, fsys); err != nil {
			return found, false, fmt.Errorf("what %q stores can't be counted: %w", account, err)
		}
		if exact, err = set(ctx, db, account, &found, before, try == quietly-1); err != nil {
			return found, false, fault(dir, err)
		}
		if exact {
			break
		}
	}
	return found, exact, nil
}

// written is what the database had at one time.
type written struct {
	fsbridge.Usage
	changes int64
}

// settling is how long a server may take to write down what it has counted.
const settling = 2 * flushTime

// read reads an account once a running server has written down what it had counted.
func read(db interface {
	QueryRow(query string, args ...any) *sql.Row
}, account string) (w written, err error) {
	time.Sleep(settling)
	err = db.QueryRow(`SELECT bytes, files, changes FROM usage WHERE account = ?`, account).Scan(&w.Bytes, &w.Files, &w.changes)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return w, err
}

// set writes what was found, if nothing has changed since before, or anyway.
func set(
	ctx context.Context, db *sql.DB, account string, found *fsbridge.Usage, before written, anyway bool,
) (exact bool, err error) {
	now, err := read(db, account)
	if exact = now == before; err != nil || !exact && !anyway {
		return false, err
	}
	*found = plus(*found, grown(before.Usage, now.Usage))
	_, err = db.ExecContext(ctx, `INSERT INTO usage (account, bytes, files, counted) VALUES (?, ?, ?, 1)
		ON CONFLICT DO UPDATE SET bytes = excluded.bytes, files = excluded.files, counted = 1, changes = changes + 1`,
		account, found.Bytes, found.Files)
	return exact, err
}
