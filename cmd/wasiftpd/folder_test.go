package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"wasiftp/fsbridge"
)

// Logins share a folder until another one is at its path. It is closed with the last login.
func TestFoldersAreShared(t *testing.T) {
	t.Parallel()
	folders := folders{check: func(string) error { return nil }}
	path := filepath.Join(t.TempDir(), "a")
	enter := func(options fsbridge.DirOptions) (*fsbridge.Dir, func() error) {
		t.Helper()
		dir, leave, err := folders.enter(path, options)
		if err != nil {
			t.Fatal(err)
		}
		return dir, leave
	}
	if _, _, err := folders.enter(path, fsbridge.DirOptions{}); err == nil || err.Error() != "there is no folder "+path {
		t.Errorf("a folder that isn't there gives %v", err)
	}
	os.Mkdir(path, 0o755)
	first, leaveFirst := enter(fsbridge.DirOptions{})
	second, leaveSecond := enter(fsbridge.DirOptions{})
	other, leaveOther := enter(fsbridge.DirOptions{Sync: true})
	if first != second || first == other {
		t.Error("logins don't share a folder, or share one with other options")
	}
	os.Rename(path, path+"old")
	os.Mkdir(path, 0o755)
	os.WriteFile(filepath.Join(path, "new"), nil, 0o644)
	next, leaveNext := enter(fsbridge.DirOptions{})
	if _, err := next.Stat("new"); err != nil {
		t.Errorf("a login after the change does not see it: %v", err)
	}
	leaveFirst()
	if _, err := second.Stat("."); err != nil {
		t.Errorf("the folder is closed while a login has it: %v", err)
	}
	for _, leave := range []func() error{leaveSecond, leaveOther, leaveNext} {
		if err := leave(); err != nil {
			t.Error(err)
		}
	}
	for _, dir := range []*fsbridge.Dir{first, other, next} {
		if _, err := dir.Stat("."); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("a folder that nobody has gives %v", err)
		}
	}
	if len(folders.open) > 0 {
		t.Errorf("%d folders are still open", len(folders.open))
	}
	os.WriteFile(path+"file", nil, 0o644)
	path += "file"
	if _, _, err := folders.enter(path, fsbridge.DirOptions{}); err == nil || err.Error() != path+" is a file and no folder" {
		t.Errorf("a file gives %v", err)
	}
}
