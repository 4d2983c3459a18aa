//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// become makes this process, with all its threads, another user for good.
func (id *identity) become(logger *slog.Logger) error {
	if err := dropBounds(); err != nil {
		logger.Warn("the bounding set of capabilities stays, which gives nothing to who can gain none", "err", err)
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"set the supplementary groups", func() error { return syscall.Setgroups(id.groups) }},
		{"set the group", func() error { return syscall.Setgid(id.gid) }},
		{"set the user", func() error { return syscall.Setuid(id.uid) }},
		{"drop all privileges", dropPrivileges},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("cannot become the user %s: cannot %s: %w", id.name, step.what, err)
		}
	}
	logger.Info("no longer root", "user", id.name, "uid", id.uid, "gid", id.gid, "groups", id.groups)
	return nil
}

// entrust makes the user that we are to become the owner of dir, a folder for our files,
// and of all in it. It makes dir if it is missing. It leaves alone a folder that others
// than root could change, that holds anything but our files, or that was given by a flag
// and is not empty, for others may use it as root. Whether such a folder can be used shows
// at its first use.
func (id *identity) entrust(dir string, given bool, logger *slog.Logger) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(dir), 0o755), os.Mkdir(dir, 0o700)); err != nil {
			return err
		}
		logger.Info("folder made", "dir", dir, "owner", id.uid)
	}
	real, err := trusted(dir)
	if err != nil || !holdsOnlyOurs(real) {
		return nil
	}
	if given && !empty(real) {
		if info, err := os.Stat(real); err == nil && info.Mode()&forOthers == 0 {
			logger.Warn("a folder that we keep things in is root's, and of no use to us then; chown -R it", "dir", dir, "user", id.name)
		}
		return nil
	}
	return filepath.WalkDir(real, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(name, id.uid, id.gid)
	})
}
