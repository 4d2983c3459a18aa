package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"wasiftp/host/bans/banstore"
	"wasiftp/host/events"
	"wasiftp/host/quota"
)

// place is a folder for files that outlive the process, or the reason why there is none.
type place struct {
	dir string
	err error
}

// usualPlaces are wasiftpd's folder in the user's own, the folder that systemd names in an
// environment variable, and wasiftpd's folder in the system's. Services need the last two:
// their users often have no home.
func usualPlaces(user func() (string, error), variable, system string) []place {
	own, err := user()
	places := []place{{filepath.Join(own, "wasiftpd"), err}}
	if dirs := filepath.SplitList(os.Getenv(variable)); len(dirs) > 0 && dirs[0] != "" {
		places = append(places, place{dir: dirs[0]})
	}
	if runtime.GOOS != "windows" { // where every user has one of his own
		places = append(places, place{dir: filepath.Join(system, "wasiftpd")})
	}
	return places
}

// privateDir returns the private folder for our files: given or, if that is "", the first
// of the usual ones that can be used.
func privateDir(given string, usual []place, logger *slog.Logger) (string, error) {
	if given != "" {
		return given, makePrivate(given, logger)
	}
	var faults []string
	for _, p := range usual {
		if p.err == nil {
			p.err = makePrivate(p.dir, logger)
		}
		if p.err == nil {
			p.err = usable(p.dir)
		}
		if p.err != nil {
			faults = append(faults, p.err.Error())
			continue
		}
		if len(faults) > 0 {
			logger.Info("the usual folder can't be used; this one is", "dir", p.dir, "err", strings.Join(faults, "; "))
		}
		return p.dir, nil
	}
	return "", errors.New(strings.Join(faults, "; "))
}

// ourFiles are the names of all files and folders that we make in a private folder.
var ourFiles = []string{"compiled", ownCertificate, "acme", quota.File, quota.File + "-wal", quota.File + "-shm",
	banstore.File, banstore.File + "-wal", banstore.File + "-shm", banstore.File + banstore.Aside,
	events.File, events.File + "-wal", events.File + "-shm"}

// usable says why a folder can't be used. One that already has some of our files need
// not be writable.
func usable(dir string) error {
	for _, name := range ourFiles {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return nil
		}
	}
	return writable(dir)
}

// writable says why no file can be made in a folder.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, newPrefix+"*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// makePrivate makes a private folder if dir is missing, and refuses a folder that others
// than we and root can change. From one that holds only our files it removes the
// permissions of others instead: systemd makes folders with mode 0755.
func makePrivate(dir string, logger *slog.Logger) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		logger.Info("folder made", "dir", dir)
	}
	real, err := trusted(dir)
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is a file and no folder", dir)
	}
	uid, _, known := owners(info)
	mode := info.Mode()
	if !known || mode&forOthers == 0 {
		return nil
	}
	if uid == os.Geteuid() && mode&fs.ModeSticky == 0 && holdsOnlyOurs(real) {
		if err := os.Chmod(real, 0o700); err != nil {
			return err
		}
		logger.Info("others may no longer enter our folder", "dir", dir, "mode was", octal(mode))
		return nil
	}
	if mode&writableByOthers != 0 {
		return fmt.Errorf("others may write to %s (mode %s); chmod 700 it", dir, octal(mode))
	}
	return nil
}

const (
	forOthers        fs.FileMode = 0o077
	writableByOthers fs.FileMode = 0o022
)

func octal(mode fs.FileMode) string { return fmt.Sprintf("%04o", mode.Perm()) }

func holdsOnlyOurs(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return !slices.Contains(ourFiles, e.Name()) && !strings.HasPrefix(e.Name(), newPrefix)
	})
}

// maxLinks is how many symbolic links a path may lead through.
const maxLinks = 40

// trusted returns path with its symbolic links resolved, or an error if others than we
// and root could make it lead elsewhere. Each folder and link on the way must be ours or
// root's, and others may write to no folder on the way, unless it is sticky as /tmp is.
func trusted(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil || runtime.GOOS == "windows" { // its folders of users are private
		return abs, err
	}
	at, links := "/", 0
	for rest := strings.Split(abs, "/"); len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if err != nil {
			return "", err
		}
		if uid, _, known := owners(info); known && uid != 0 && uid != os.Geteuid() {
			return "", fmt.Errorf("%s belongs to user %d, and neither to us (user %d) nor to root", next, uid, os.Geteuid())
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			if len(rest) > 0 && info.IsDir() && info.Mode()&writableByOthers != 0 && info.Mode()&fs.ModeSticky == 0 {
				return "", fmt.Errorf("others may write to %s (mode %s), and so put another folder in the place of "+
					"%s; chmod go-w it", next, octal(info.Mode()), path)
			}
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s leads through too many links", path)
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, nil
}

// claim returns an error if others than we and root could change a file, or a folder or
// anything in it. It removes the permissions of others on what is ours.
func claim(path string, logger *slog.Logger) error {
	return filepath.WalkDir(path, func(name string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		real, err := trusted(name)
		if err != nil {
			return err
		}
		info, err := os.Stat(real)
		if err != nil {
			return err
		}
		uid, _, known := owners(info)
		mode := info.Mode()
		switch {
		case !known || mode&forOthers == 0:
			return nil
		case mode&writableByOthers != 0:
			return fmt.Errorf("others may write to %s (mode %s), and may have done so; remove it", name, octal(mode))
		case uid != os.Geteuid():
			return nil // it is root's: only root can change its mode
		}
		logger.Info("others may no longer read what is ours", "file", name, "mode was", octal(mode))
		return os.Chmod(real, mode.Perm()&^forOthers)
	})
}

// warnOfReaders warns if others can read or change a secret file. A file of root's may be
// readable for its group.
func warnOfReaders(what, file string, logger *slog.Logger) {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	uid, _, known := owners(info)
	others := forOthers
	if uid == 0 {
		others &^= 0o040
	}
	if known && uid != 0 && uid != os.Geteuid() {
		logger.Warn("the "+what+" belongs to another user, who can read and change it", "file", file, "owner", uid)
	}
	if known && info.Mode()&others != 0 {
		logger.Warn("others on this machine may read or change the "+what+"; chmod 600 it", "file", file, "mode", octal(info.Mode()))
	}
}
