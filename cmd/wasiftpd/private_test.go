package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// stranger is the number of another user.
const stranger = 12345

func needsModes(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// A folder is made, closed to others, or refused because others could change it.
func TestPrivateFolder(t *testing.T) {
	t.Parallel()
	needsModes(t)
	for _, test := range []struct {
		name  string
		make  func(above, dir string) error // dir is above/a/b
		mode  fs.FileMode                   // of the folder afterwards
		log   string                        // a part of it, "" for none
		fault string                        // a part of it, "" for none
	}{
		{"missing", func(above, dir string) error { return os.RemoveAll(filepath.Dir(dir)) }, 0o700, "folder made", ""},
		{"private", func(above, dir string) error { return os.Chmod(dir, 0o700) }, 0o700, "", ""},
		{"as systemd makes it", func(above, dir string) error { return os.Chmod(dir, 0o755) }, 0o700, `"mode was"=0755`, ""},
		{"with what is ours", func(above, dir string) error {
			return firstError(os.Mkdir(dir+"/acme", 0o700), os.Chmod(dir, 0o755))
		}, 0o700, `"mode was"=0755`, ""},
		{"everybody's, empty", func(above, dir string) error { return os.Chmod(dir, 0o777) }, 0o700, `"mode was"=0777`, ""},
		{"with other things", func(above, dir string) error {
			return firstError(os.Mkdir(dir+"/other", 0o700), os.Chmod(dir, 0o755))
		}, 0o755, "", ""},
		{"everybody's, with other things", func(above, dir string) error {
			return firstError(os.Mkdir(dir+"/other", 0o700), os.Chmod(dir, 0o777))
		}, 0o777, "", "others may write to "},
		{"a group's, with other things", func(above, dir string) error {
			return firstError(os.Mkdir(dir+"/other", 0o700), os.Chmod(dir, 0o770))
		}, 0o770, "", "others may write to "},
		{"like /tmp", func(above, dir string) error { return os.Chmod(dir, 0o777|fs.ModeSticky) }, 0o777, "", "others may write to "},
		{"below everybody's", func(above, dir string) error {
			return os.Chmod(filepath.Dir(dir), 0o777)
		}, 0, "", "others may write to "},
		{"below a group's", func(above, dir string) error {
			return os.Chmod(filepath.Dir(dir), 0o775)
		}, 0, "", "others may write to "},
		{"below one like /tmp", func(above, dir string) error {
			return os.Chmod(filepath.Dir(dir), 0o777|fs.ModeSticky)
		}, 0o700, "", ""},
		{"a link", func(above, dir string) error {
			return firstError(os.Rename(dir, above+"/real"), os.Symlink("../real", dir))
		}, 0o700, "", ""},
		{"a link below everybody's", func(above, dir string) error {
			return firstError(os.Rename(dir, above+"/real"), os.Symlink(above+"/real", dir),
				os.Chmod(filepath.Dir(dir), 0o777))
		}, 0o700, "", "others may write to "},
		{"a link to below everybody's", func(above, dir string) error {
			return firstError(os.Mkdir(above+"/open", 0o700), os.Chmod(above+"/open", 0o777),
				os.Rename(dir, above+"/open/real"), os.Symlink(above+"/open/real", dir))
		}, 0o700, "", "others may write to "},
		{"a link to itself", func(above, dir string) error {
			return firstError(os.Remove(dir), os.Symlink("b", dir))
		}, 0, "", "b"},
		{"a file", func(above, dir string) error {
			return firstError(os.Remove(dir), os.WriteFile(dir, nil, 0o600))
		}, 0, "", "is a file"},
		{"another's", func(above, dir string) error {
			return os.Chown(dir, stranger, stranger)
		}, 0, "", "belongs to user 12345"},
		{"below another's", func(above, dir string) error {
			return os.Chown(filepath.Dir(dir), stranger, stranger)
		}, 0, "", "belongs to user 12345"},
		{"another's link", func(above, dir string) error {
			return firstError(os.Rename(dir, above+"/real"), os.Symlink("../real", dir), os.Lchown(dir, stranger, stranger))
		}, 0, "", "belongs to user 12345"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(test.name, "another's") {
				needsRoot(t)
			}
			above := t.TempDir()
			dir := filepath.Join(above, "a", "b")
			if err := firstError(os.MkdirAll(dir, 0o700), test.make(above, dir)); err != nil {
				t.Fatal(err)
			}
			var log notes
			err := makePrivate(dir, newLogger(&log, "text"))
			if (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Fatalf("the fault is %v, want %q", err, test.fault)
			}
			if test.mode != 0 && modeOf(t, dir) != test.mode {
				t.Errorf("the mode is %v, want %v", modeOf(t, dir), test.mode)
			}
			if got := log.records(); (len(got) == 0) != (test.log == "") || !strings.Contains(strings.Join(got, "\n"), test.log) {
				t.Errorf("the log is %q, want %q", got, test.log)
			}
		})
	}
}

// The first usual folder that can be used is taken. With a folder that is given, no usual
// one is tried.
func TestKeep(t *testing.T) {
	t.Parallel()
	needsModes(t)
	none := place{err: errors.New("$HOME is not defined")}
	in := func(dir string) place { return place{dir: dir} }
	above := t.TempDir()
	file := write(t, above, "file", "")
	bad := in(filepath.Join(file, "x"))
	one, two := in(filepath.Join(above, "1")), in(filepath.Join(above, "2"))
	for _, test := range []struct {
		given string
		usual []place
		want  string
		log   string
		fault string
	}{
		{"", []place{one, two}, one.dir, "folder made", ""},
		{"", []place{one, two}, one.dir, "", ""},
		{"", []place{none, two}, two.dir, "$HOME is not defined", ""},
		{"", []place{bad, two}, two.dir, "not a directory", ""},
		{two.dir, []place{one}, two.dir, "", ""},
		{bad.dir, []place{one}, "", "", "not a directory"},
		{"", []place{none, bad}, "", "", "$HOME is not defined; "},
	} {
		var log notes
		got, err := privateDir(test.given, test.usual, newLogger(&log, "text"))
		if err == nil && (got != test.want || test.fault != "") ||
			err != nil && (test.fault == "" || !strings.Contains(err.Error(), test.fault)) {
			t.Errorf("%+v: %q, %v", test, got, err)
		}
		if got := log.records(); (len(got) == 0) != (test.log == "") || !strings.Contains(strings.Join(got, "\n"), test.log) {
			t.Errorf("%+v: the log is %q", test, got)
		}
	}
}

// A file in a private folder is closed to others, or refused because others could change
// it.
func TestClaim(t *testing.T) {
	t.Parallel()
	needsModes(t)
	dir := t.TempDir()
	key := write(t, dir, "key", "")
	for _, test := range []struct {
		mode, after fs.FileMode
		log, fault  bool
	}{
		{0o600, 0o600, false, false}, {0o400, 0o400, false, false}, {0o640, 0o600, true, false}, {0o644, 0o600, true, false},
		{0o660, 0o660, false, true}, {0o666, 0o666, false, true},
	} {
		var log notes
		if err := os.Chmod(key, test.mode); err != nil {
			t.Fatal(err)
		}
		err := claim(key, newLogger(&log, "text"))
		if (err != nil) != test.fault || modeOf(t, key) != test.after || (len(log.records()) > 0) != test.log {
			t.Errorf("%v: %v, and the mode is %v", test.mode, err, modeOf(t, key))
		}
	}
	if err := claim(filepath.Join(dir, "missing"), newLogger(&notes{}, "text")); err != nil {
		t.Error(err)
	}
	needsRoot(t)
	if err := firstError(os.Chmod(key, 0o600), os.Chown(key, stranger, stranger)); err != nil {
		t.Fatal(err)
	}
	if err := claim(dir, newLogger(&notes{}, "text")); err == nil || !strings.Contains(err.Error(), key+" belongs to user 12345") {
		t.Error(err)
	}
}

// A key that others can read is used, and warned of: it can't be made secret again.
func TestKeyOfOthers(t *testing.T) {
	t.Parallel()
	needsModes(t)
	dir, ca := t.TempDir(), newAuthority(t)
	cert, key := ca.files(dir, "a.example.org")
	hostCert, hostKey := ca.files(dir, "b.example.org")
	if err := firstError(os.Chmod(key, 0o644), os.Chmod(hostKey, 0o604)); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--root", dir, "--tls-cert", cert, "--tls-key", key, "--host", "b.example.org,cert="+hostCert+",key="+hostKey)
	for _, want := range []string{"file=" + key + " mode=0644", "file=" + hostKey + " mode=0604"} {
		want = `level=WARN msg="others on this machine may read or change the key; chmod 600 it" ` + want
		if log := s.log.until(want); !strings.Contains(log, want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
	for _, test := range []struct {
		uid  int
		mode fs.FileMode
		want string
	}{
		{os.Geteuid(), 0o600, ""}, {os.Geteuid(), 0o620, "mode=0620"}, {os.Geteuid(), 0o604, "mode=0604"},
		{0, 0o640, ""}, {stranger, 0o600, "owner=12345"},
	} {
		if test.uid != os.Geteuid() {
			needsRoot(t)
		}
		if err := firstError(os.Chown(key, test.uid, -1), os.Chmod(key, test.mode)); err != nil {
			t.Fatal(err)
		}
		var log notes
		warnOfReaders("key", key, newLogger(&log, "text"))
		if got := strings.Join(log.records(), "\n"); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%+v: the log is %s", test, got)
		}
	}
}
