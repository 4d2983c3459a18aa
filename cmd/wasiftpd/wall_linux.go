package main

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// What a wall lets through. Nothing is run from a served folder, and no device,
// pipe or socket made there.
const (
	readRights   = landlock.AccessFSSet(llsys.AccessFSReadFile | llsys.AccessFSReadDir)
	changeRights = readRights | llsys.AccessFSWriteFile | llsys.AccessFSTruncate | llsys.AccessFSRefer |
		llsys.AccessFSRemoveDir | llsys.AccessFSRemoveFile | llsys.AccessFSMakeDir | llsys.AccessFSMakeReg | llsys.AccessFSMakeSym
	fileRights = landlock.AccessFSSet(llsys.AccessFSReadFile)
)

// handled is all that the kernel can restrict but the network, for active mode
// connects to any port. Kernels before 6.15 would keep threads from signalling each
// other, by which the others are restricted: there signals are let through.
func handled() landlock.Config {
	const signalsOfThreads = 1 << 1 // among the errata that are mended
	all := landlock.Config{HandledAccessFS: landlock.V9.HandledAccessFS, Scoped: llsys.ScopeAbstractUnixSocket}
	if mended, err := llsys.LandlockGetErrata(); err == nil && mended&signalsOfThreads != 0 {
		all.Scoped |= llsys.ScopeSignal
	}
	return all
}

// enclose restricts all threads of this process, for good, to the files within a
// wall.
func enclose(w wall) error {
	abi, err := llsys.LandlockGetABIVersion()
	if err == nil && abi < 2 {
		err = errors.New("the kernel is older than 5.19: it would allow no renaming from one folder to another")
	}
	if err == nil {
		err = allThreads()
	}
	if err != nil {
		return err
	}
	readEarly()
	var rules []landlock.Rule
	for _, set := range []struct {
		paths  []string
		rights landlock.AccessFSSet
	}{{w.read, readRights}, {w.change, changeRights}} {
		for _, path := range set.paths {
			info, err := os.Stat(path)
			switch {
			case err != nil: // whoever wants it is told
			case info.IsDir():
				rules = append(rules, landlock.PathAccess(set.rights, path))
			default:
				rules = append(rules, landlock.PathAccess(set.rights&fileRights, path))
			}
		}
	}
	return handled().BestEffort().Restrict(rules...)
}

// readEarly has Go read what it would read at first use, and never again. Hosts are
// found by Go's own resolver: the system's would load libraries.
func readEarly() {
	_, _ = time.Now().Zone()
	x509.SystemCertPool()
	net.DefaultResolver.PreferGo = true
}

// mounted says whether a disk is mounted on a folder.
func mounted(dir string) bool {
	return device(dir) != device(filepath.Dir(dir))
}

func device(path string) uint64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Sys().(*syscall.Stat_t).Dev
}

// outside says whether a folder can't be opened that we have the permission to open:
// the wall alone refuses that.
func outside(dir string) bool {
	f, err := os.OpenFile(dir, unix.O_DIRECTORY, 0) // of a pipe it would wait for a writer
	if err == nil {
		f.Close()
	}
	return errors.Is(err, fs.ErrPermission) && unix.Faccessat(unix.AT_FDCWD, dir, unix.R_OK, unix.AT_EACCESS) == nil
}
