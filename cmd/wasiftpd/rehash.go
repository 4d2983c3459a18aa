package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// rehasher makes hashes anew as argon2id when their users log in, for --rehash, and writes
// them into the file that has them. It works beside the logins, one hash at a time: none
// waits for it or fails by it. A nil rehasher does nothing.
type rehasher struct {
	config string // the path of the configuration file
	logger *slog.Logger
	queue  chan renewal

	mu     sync.Mutex
	before map[string]string // the hashes that stood in the place of those made anew
	told   map[string]bool   // the files and users that the log has warned of
}

// renewal is a hash to be made anew.
type renewal struct {
	entry
	password string
}

// maxRenewals is how many logins may wait for their hashes. Those of further ones are left
// for the next login.
const maxRenewals = 64

func newRehasher(ctx context.Context, o *options, logger *slog.Logger) *rehasher {
	if !o.rehash {
		return nil
	}
	r := &rehasher{
		config: o.file, logger: logger, queue: make(chan renewal, maxRenewals), before: map[string]string{}, told: map[string]bool{},
	}
	go r.follow(ctx)
	return r
}

// offer has the hash of a user made anew whose password was right.
func (r *rehasher) offer(own *account, password string) {
	if r == nil || own.file == "" || !weak(own.hash) {
		return
	}
	select {
	case r.queue <- renewal{own.entry, password}:
	default:
	}
}

// weak says whether one of the hashes of an entry is none by argon2id, or one with less
// memory or fewer passes than ours.
func weak(hashes string) bool {
	for hash := range strings.FieldsSeq(hashes) {
		var memory, passes int
		fmt.Sscanf(hash, "$argon2id$v=19$m=%d,t=%d,", &memory, &passes)
		if hash[0] == '$' && (memory < hashMemory || passes < hashPasses) {
			return true
		}
	}
	return false
}

func (r *rehasher) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case next := <-r.queue:
			for old := range strings.FieldsSeq(next.hash) {
				if weak(old) {
					r.tell(next, r.renew(ctx, next, old))
				}
			}
		}
	}
}

var (
	// errElsewhere is the error of a hash that no longer stands where it was loaded from.
	errElsewhere = errors.New("the hash is no longer there")

	errEscaped = errors.New("the hash is written with escapes")
)

// tell logs what became of a hash. Of a file that can't be written it warns once.
func (r *rehasher) tell(next renewal, err error) {
	about, text := next.file, "hashes stay as they are: the file can't be written; let the server change the file and its "+
		"folder, or make hashes by wasiftpd passwd"
	switch {
	case err == nil:
		r.logger.Info("the hash of a user was made anew by argon2id", "user", next.name, "file", next.file)
		return
	case errors.Is(err, errElsewhere), errors.Is(err, context.Canceled):
		return
	case errors.Is(err, errEscaped):
		about += "\x00" + next.name
		text = "the hash of a user stays as it is; put what wasiftpd passwd prints in its place"
	}
	if !r.told[about] {
		r.told[about] = true
		r.logger.Warn(text, "user", next.name, "file", next.file, "err", err)
	}
}

// renew makes one hash of a user anew, if it is that of the password.
func (r *rehasher) renew(ctx context.Context, next renewal, old string) error {
	for unsettled(next.file) { // somebody may still be writing it, and not know of another
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settleTime):
		}
	}
	content, err := os.ReadFile(next.file)
	if err != nil {
		return err
	}
	if _, err := r.with(string(content), next, old, old); err != nil {
		return err
	}
	was, err := parseHash(old)
	if err != nil {
		return err
	}
	if ok, err := was.matches(next.password); !ok || err != nil {
		return errElsewhere // another of his hashes is that of the password
	}
	hash, err := hashPassword(next.password)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.before[hash] = old
	r.mu.Unlock()
	return changeFile(next.file, func(text string) (string, error) { return r.with(text, next, old, hash) })
}

// with is the text of the file of a user with a hash in the place of the old one.
func (r *rehasher) with(text string, next renewal, old, hash string) (string, error) {
	if next.file == r.config {
		return withTableHash(text, next.name, old, hash)
	}
	return withLineHash(text, next.name, old, hash)
}

// withLineHash replaces the hash in a user's line of a users file, and no other byte.
func withLineHash(text, name, old, hash string) (string, error) {
	at := 0
	for line := range strings.Lines(text) {
		bare := strings.TrimLeft(strings.TrimPrefix(line, byteOrderMark), " \t")
		if rest, ok := strings.CutPrefix(bare, name+":"+old+":"); ok {
			end := at + len(line) - len(rest) - len(":")
			return text[:end-len(old)] + hash + text[end:], nil
		}
		at += len(line)
	}
	return "", errElsewhere
}

// withTableHash replaces a hash in a user's table of a configuration file, and no other byte.
func withTableHash(text, name, old, hash string) (string, error) {
	d, err := parseDocument("", []byte(text))
	if err != nil {
		return "", errElsewhere // the reload tells of the fault
	}
	begin := len(text) - len(d.content) // behind a byte order mark
	for _, v := range d.hashesOf(name) {
		if v.kind != unstable.String || v.text != old {
			continue
		}
		at, end := begin+v.at, begin+v.at+v.length
		if written := text[at:end]; strings.Count(written, old) == 1 {
			return text[:at] + strings.Replace(written, old, hash, 1) + text[end:], nil
		}
		return "", errEscaped
	}
	return "", errElsewhere
}

// hashesOf are the values that hold the hashes of a user.
func (d *document) hashesOf(name string) (all []*node) {
	users := d.top.get("user")
	if users == nil {
		return nil
	}
	_, tables := splitUsers(users)
	for _, u := range tables {
		if own := u.get("name"); own == nil || own.text != name {
			continue
		}
		for _, key := range []string{"password", "passwords"} {
			if v := u.get(key); v != nil {
				all = append(all, v.values()...)
			}
		}
	}
	return all
}

// mark notes in entries what hashes stood in the place of those made anew, so that their
// users are not taken for changed.
func (r *rehasher) mark(entries []entry) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range entries {
		var was []string
		for hash := range strings.FieldsSeq(entries[i].hash) {
			if old, anew := r.before[hash]; anew {
				hash = old
			}
			was = append(was, hash)
		}
		entries[i].was = strings.Join(was, " ")
	}
}
