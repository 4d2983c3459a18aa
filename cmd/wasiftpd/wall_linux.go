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

// What a wall allows. It allows nobody to run a file of a served folder, nor to make a
// device, a pipe or a socket there.
const (
	readRights   = landlock.AccessFSSet(llsys.AccessFSReadFile | llsys.AccessFSReadDir)
	runRights    = readRights | llsys.AccessFSExecute
	writeRights  = landlock.AccessFSSet(llsys.AccessFSWriteFile | llsys.AccessFSMakeReg)
	speakRights  = landlock.AccessFSSet(llsys.AccessFSResolveUnix)
	changeRights = readRights | llsys.AccessFSWriteFile | llsys.AccessFSTruncate | llsys.AccessFSRefer |
		llsys.AccessFSRemoveDir | llsys.AccessFSRemoveFile | llsys.AccessFSMakeDir | llsys.AccessFSMakeReg | llsys.AccessFSMakeSym
)

// handled is what the wall restricts: all that the kernel can, except the network, because
// active mode connects to any port. Kernels before 6.15 would also keep the threads of a
// process from signalling each other, by which one restricts the others; there signals
// are not restricted.
func handled() landlock.Config {
	const signalsOfThreads = 1 << 1 // the bit for this among the errata that the kernel has mended
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
	changes, runs := changeRights, runRights
	if len(w.run) > 0 { // a program may have a daemon to ask, such as a scanner
		changes, runs = changes|llsys.AccessFSResolveUnix, runs|llsys.AccessFSResolveUnix
	}
	var rules []landlock.Rule
	for _, set := range []struct {
		paths  []string
		rights landlock.AccessFSSet
	}{{w.read, readRights}, {w.change, changes}, {w.run, runs}, {w.write, writeRights}, {w.speak, speakRights}} {
		for _, path := range set.paths {
			info, err := os.Stat(path)
			switch {
			case err != nil: // whoever opens it gets the error
			case info.IsDir():
				rules = append(rules, landlock.PathAccess(set.rights, path))
			default:
				rules = append(rules, landlock.PathAccess(set.rights&(llsys.AccessFSReadFile|llsys.AccessFSExecute), path))
			}
		}
	}
	if len(w.run) > 0 {
		rules = append(rules, landlock.PathAccess(llsys.AccessFSReadFile|llsys.AccessFSWriteFile, os.DevNull))
	}
	return handled().BestEffort().Restrict(rules...)
}

// readEarly has Go read the files that it reads once, at first use. Hosts are found by Go's
// own resolver, because the system's would load libraries.
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

// outside says whether the wall alone keeps us from opening a folder or a file: the open is
// refused, though the permissions allow it.
func outside(dir string) bool {
	f, err := os.OpenFile(dir, unix.O_NONBLOCK, 0) // os.Open would wait for a pipe's writer
	if err == nil {
		f.Close()
	}
	return errors.Is(err, fs.ErrPermission) && unix.Faccessat(unix.AT_FDCWD, dir, unix.R_OK, unix.AT_EACCESS) == nil
}
