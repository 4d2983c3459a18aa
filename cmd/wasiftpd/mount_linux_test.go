package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A disk that is mounted on a folder while the server runs gets what is uploaded
// from then on, and can be unmounted when nobody is logged in.
func TestDiskIsMountedLater(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := start(t, "--root", root, "--anonymous", "rw", "--atomic-uploads")
	upload := func(name string) {
		d := s.admitted("ftp", "x")
		data := d.data(s.addr)
		d.do(150, "STOR "+name)
		fmt.Fprint(data, "content")
		data.Close()
		d.expect(226)
		d.do(221, "QUIT")
	}
	upload("below")
	if err := syscall.Mount("none", root, "tmpfs", 0, ""); err != nil {
		t.Skipf("no disk can be mounted here: %v", err)
	}
	defer syscall.Unmount(root, syscall.MNT_DETACH)
	upload("above")
	if _, err := os.Stat(filepath.Join(root, "above")); err != nil {
		t.Errorf("the disk has not got the upload: %v", err)
	}
	patience := time.Now().Add(10 * time.Second)
	for err := syscall.Unmount(root, 0); err != nil; err = syscall.Unmount(root, 0) {
		if time.Now().After(patience) {
			t.Fatalf("the disk can't be unmounted: %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if _, err := os.Stat(filepath.Join(root, "above")); err == nil {
		t.Error("the upload went below the disk")
	}
}
