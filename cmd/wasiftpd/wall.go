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

// wall is the set of files that this process may open once the server has started.
// Landlock closes all others to each thread, whatever else goes wrong.
type wall struct {
	read   []string // folders, and files
	change []string // folders
	run    []string // folders and files that programs need; they can be read, too
	write  []string // folders in which files are made and written to, but not read
	speak  []string // folders whose sockets can be connected to
}

// wallOptions are the values of --landlock.
type wallOptions struct {
	off   bool
	extra []string // folders that are to be within the wall too
}

func (o *wallOptions) set(s string) error {
	if s == "off" {
		o.off = true
	} else {
		o.extra = append(o.extra, s)
	}
	return nil
}

// wall returns the wall around the files that the server needs from now on.
func (o *options) wall(r *roster, files *follower) wall {
	w := wall{change: slices.Clone(o.walled.extra)}
	writable := map[string]bool{}
	r.current.Load().each(func(own *account) {
		// The rights in a file can change while the server runs.
		writable[own.root] = writable[own.root] || own.writes() || len(r.files) > 0 || o.file != ""
	})
	if len(o.sources.given) > 0 {
		writable[o.root] = true // they say what users may do there
		for _, given := range o.sourceRoots() {
			if root, _, many := strings.Cut(given, "%u"); many {
				writable[filepath.Dir(root)] = true
			} else {
				writable[given] = true
			}
		}
	}
	for root, writes := range writable {
		within := surroundings(root)
		if writes {
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
	if o.rehash {
		for _, file := range append(o.usersFiles(), o.file) {
			// A new file takes the old one's place.
			if file != "" {
				w.change = append(w.change, slices.DeleteFunc(placesOf(file)[1:], tooBroad)...)
			}
		}
	}
	if o.needsState() {
		dir, err := r.state.open()
		if err != nil {
			files.logger.Warn("quotas and bans that a reload turns on need a restart", "err", err)
		} else {
			w.change = append(w.change, dir)
		}
	}
	if o.tls.kept != "" {
		w.change = append(w.change, o.tls.kept)
	}
	for _, given := range o.sources.given {
		if given.sqlite != "" {
			w.change = append(w.change, filepath.Dir(given.sqlite)) // beside it are its journals
		}
	}
	for _, file := range []string{o.log.file, o.log.transfers} {
		if file == "" {
			continue
		}
		w.write = append(w.write, filepath.Dir(file))
		if real, err := filepath.EvalSymlinks(file); err == nil {
			w.write = append(w.write, filepath.Dir(real))
		}
	}
	if o.journaled {
		w.speak = append(w.speak, journalFolder)
	}
	programs := o.sources.programs()
	for _, h := range o.hooks {
		if h.run != nil {
			programs = append(programs, h.run[0])
		}
	}
	w.run = programFiles(programs)
	if len(o.tls.acme) > 0 || o.sources.anyURL() || o.named() || o.file != "" {
		w.read = append(w.read, resolverFiles()...)
	}
	slices.Sort(w.change)
	w.change = slices.Compact(w.change)
	slices.Sort(w.read)
	w.read = slices.DeleteFunc(slices.Compact(w.read), func(path string) bool { return slices.Contains(w.change, path) })
	return w
}

// programFiles are the files that programs need, and folders: those of the system from which
// programs run, and each program's own.
func programFiles(programs []string) (all []string) {
	for _, path := range programs {
		all = append(all, placesOf(path)...)
	}
	if all != nil {
		all = append(all, "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/alternatives",
			"/etc/ssl", "/etc/passwd", "/etc/group", "/etc/localtime", "/dev/urandom")
		all = append(all, resolverFiles()...)
	}
	return all
}

// resolverFiles are the files by which Go's resolver finds hosts. The first one is
// replaced whenever the network changes, so its folder is needed too.
func resolverFiles() []string {
	all := []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"}
	if real, err := filepath.EvalSymlinks(all[0]); err == nil {
		all = append(all, filepath.Dir(real))
	}
	return all
}

// placesOf are a file and the folders in which another file may take its place: its own
// and, if it is a link, that of its target. The folder / is left out: it holds all files.
func placesOf(file string) []string {
	places := []string{file, filepath.Dir(file)}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		places = append(places, filepath.Dir(real))
	}
	return slices.DeleteFunc(places, func(path string) bool { return path == "/" })
}

// surroundings are the folders that must be within the wall so that root can be served.
// Landlock keeps to folders and not to their names: a disk that is mounted on root later,
// or another target of a link, is outside. If that may happen, because root is missing,
// empty, a link or a mounted disk, the folder that holds it is within the wall too.
func surroundings(root string) (within []string) {
	at := root
	for missing(at) && at != filepath.Dir(at) {
		at = filepath.Dir(at)
	}
	real, err := filepath.EvalSymlinks(at)
	if err != nil {
		return nil
	}
	if at == root || !tooBroad(real) {
		within = append(within, real)
	}
	info, err := os.Lstat(at)
	link := err == nil && info.Mode()&fs.ModeSymlink != 0
	if above := filepath.Dir(real); !tooBroad(above) && (link || empty(real) || mounted(real)) {
		within = append(within, above)
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

// tooBroad says whether a folder holds so much of others, or of the system, that it must
// not be within the wall for the sake of one folder in it.
func tooBroad(dir string) bool {
	home, err := os.UserHomeDir()
	return dir == "/" || err == nil && dir == home || slices.Contains([]string{
		"/boot", "/dev", "/etc", "/home", "/opt", "/proc", "/root", "/run", "/sys",
		"/usr", "/usr/local", "/usr/share", "/var", "/var/cache", "/var/lib", "/var/log", "/var/spool",
	}, dir)
}

// raise puts up the wall around this process. If it can't, it warns, and the server runs
// without a wall.
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
	for _, dir := range o.walled.extra {
		if missing(dir) {
			files.logger.Warn("a folder of --landlock is not there, and stays outside", "folder", dir)
		}
	}
	for _, one := range files.all {
		for _, file := range one.files() {
			if dir := filepath.Dir(file); tooBroad(dir) {
				files.logger.Warn("all of a folder that others use can be read; give the "+one.label()+" a folder of its own",
					"folder", dir, "file", file)
			}
		}
	}
	files.logger.Info("files outside can't be opened from now on (Landlock)", "change", brief(w.change), "read", brief(w.read))
}

// brief lists at most maxListed paths for the log.
func brief(paths []string) string {
	if more := len(paths) - maxListed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(paths[:maxListed], " "), more)
	}
	return strings.Join(paths, " ")
}

// checkWall returns an error if a root exists but is outside of the wall.
func (r *roster) checkWall(root string) error {
	if r.walled && outside(root) {
		return fmt.Errorf("the folder %s: it was not there at the start, or is another since, and files outside of what was "+
			"there can't be opened; restart the server, or put the folder above it within reach with --landlock", root)
	}
	return nil
}

// checkPrograms returns an error if a hook's program is outside of the wall.
func (r *roster) checkPrograms(hooks []*hook) error {
	for _, h := range hooks {
		if r.walled && h.run != nil && outside(h.run[0]) {
			return fmt.Errorf("the hook at %s: %s was not in the folder of a hook's program at the start, and files outside of what "+
				"was there can't be run; restart the server", h.place, h.run[0])
		}
	}
	return nil
}

// warnOutside warns of the folders that can't be served until the next start.
func (r *roster) warnOutside(folders map[string][]string, logger *slog.Logger) {
	for _, root := range slices.Sorted(maps.Keys(folders)) {
		if err := r.checkWall(root); err != nil {
			logger.Warn("users of a folder are refused", "users", listed(folders[root]), "err", err)
		}
	}
}
