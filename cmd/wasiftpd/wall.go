package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// wall is what this process may open from the start on: files outside of it stay
// closed to each thread, whatever else goes wrong.
type wall struct {
	read   []string // folders, and files
	change []string // folders
}

// wallOptions are what --landlock says.
type wallOptions struct {
	off    bool
	beside []string // folders that are within it besides
}

func (o *wallOptions) set(s string) error {
	switch {
	case s == "":
		return errors.New("nothing is given")
	case s == "off":
		o.off = true
	default:
		o.beside = append(o.beside, s)
	}
	return nil
}

// wall is what the server needs from now on.
func (o *options) wall(r *roster, files *follower) wall {
	w := wall{change: slices.Clone(o.walled.beside)}
	writable := map[string]bool{}
	r.current.Load().everyone(func(own *account) {
		// What a user of a file may do can change while the server runs.
		writable[own.root] = writable[own.root] || own.writes() || len(r.files) > 0
	})
	for _, root := range slices.Sorted(maps.Keys(writable)) {
		within := surroundings(root)
		if writable[root] {
			w.change = append(w.change, within...)
		} else {
			w.read = append(w.read, within...)
		}
	}
	for _, one := range files.all {
		for _, file := range one.files() {
			w.read = append(w.read, placesOf(file)...)
		}
	}
	if o.tls.kept != "" {
		w.change = append(w.change, o.tls.kept)
	}
	if len(o.tls.acme) > 0 {
		w.read = append(w.read, resolverFiles()...)
	}
	slices.Sort(w.change)
	w.change = slices.Compact(w.change)
	slices.Sort(w.read)
	w.read = slices.DeleteFunc(slices.Compact(w.read), func(path string) bool { return slices.Contains(w.change, path) })
	return w
}

// resolverFiles are what Go finds hosts by. The first is replaced whenever the network
// changes, so that the folder in which that is done is needed too.
func resolverFiles() []string {
	all := []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"}
	if real, err := filepath.EvalSymlinks(all[0]); err == nil {
		all = append(all, filepath.Dir(real))
	}
	return all
}

// placesOf are a file and the folders in which another may take its place: that of
// its name and, of a link, that of what it leads to. The folder / would be all.
func placesOf(file string) []string {
	places := []string{file, filepath.Dir(file)}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		places = append(places, filepath.Dir(real))
	}
	return slices.DeleteFunc(places, func(path string) bool { return path == "/" })
}

// surroundings are the folders that a root needs within the wall, which is about
// folders and not about their names: a disk that is mounted there later, or another
// folder that a link leads to, is outside. So what is beside the root is within
// where that may happen: it is missing, empty, a link or a mounted disk.
func surroundings(root string) (within []string) {
	at := root
	for missing(at) && at != filepath.Dir(at) {
		at = filepath.Dir(at)
	}
	real, err := filepath.EvalSymlinks(at)
	if err != nil {
		return nil
	}
	if at == root || !common(real) {
		within = append(within, real)
	}
	info, err := os.Lstat(at)
	link := err == nil && info.Mode()&fs.ModeSymlink != 0
	if beside := filepath.Dir(real); !common(beside) && (link || empty(real) || mounted(real)) {
		within = append(within, beside)
	}
	return within
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func empty(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() { // a pipe would wait for a writer
		return false
	}
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	return err == io.EOF
}

// common says whether a folder has so much of others, or of the system, that it is
// not put within the wall because of one folder in it.
func common(dir string) bool {
	home, err := os.UserHomeDir()
	return dir == "/" || err == nil && dir == home || slices.Contains([]string{
		"/boot", "/dev", "/etc", "/home", "/opt", "/proc", "/root", "/run", "/sys",
		"/usr", "/usr/local", "/usr/share", "/var", "/var/cache", "/var/lib", "/var/log", "/var/spool",
	}, dir)
}

// raise puts up the wall around this process, or tells why there is none: that is no
// reason not to serve.
func (p *program) raise(o *options, r *roster, files *follower) {
	if p.enclose == nil || o.walled.off {
		return
	}
	if r.slow {
		files.logger.Warn("files outside can be opened: a folder that hangs keeps the wall (Landlock) from being put up")
		return
	}
	w := o.wall(r, files)
	if err := p.enclose(w); err != nil {
		files.logger.Warn("files outside can be opened: there is no wall (Landlock) around this process", "err", err)
		return
	}
	r.walled = true
	for _, dir := range o.walled.beside {
		if missing(dir) {
			files.logger.Warn("a folder of --landlock is not there, and stays outside", "folder", dir)
		}
	}
	for _, one := range files.all {
		for _, file := range one.files() {
			if dir := filepath.Dir(file); common(dir) {
				files.logger.Warn("all of a folder that others use can be read; give the "+one.what()+" a folder of its own",
					"folder", dir, "file", file)
			}
		}
	}
	files.logger.Info("files outside can't be opened from now on (Landlock)", "change", few(w.change), "read", few(w.read))
}

// few is paths for the log.
func few(paths []string) string {
	if more := len(paths) - maxListed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(paths[:maxListed], " "), more)
	}
	return strings.Join(paths, " ")
}

// errOutside is told in the log of a login, and of a users file.
var errOutside = errors.New("it was not there at the start, or is another since, and files outside of what was there " +
	"can't be opened; restart the server, or put the folder above it within reach with --landlock")

// checkWall says why a root can't be served though it is there.
func (r *roster) checkWall(root string) error {
	if r.walled && outside(root) {
		return fmt.Errorf("the folder %s: %w", root, errOutside)
	}
	return nil
}

// tellOutside tells of the folders that can't be served until the next start.
func (r *roster) tellOutside(folders map[string][]string, logger *slog.Logger) {
	for _, root := range slices.Sorted(maps.Keys(folders)) {
		if err := r.checkWall(root); err != nil {
			logger.Warn("users of a folder are refused", "users", listed(folders[root]), "err", err)
		}
	}
}
