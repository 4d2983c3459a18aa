package fsbridge

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// leaseTime is longer than a program may keep a lease after the system has asked for it
// back: on Linux 45 seconds, unless /proc/sys/fs/lease-break-time says otherwise.
const leaseTime = time.Minute

// openLeased opens a file that another program may have a lease on, as Samba has for
// its clients' oplocks. An open asks the holder to give up the lease. It would wait for
// that, but ours must not wait, as the file may be a pipe: it fails with EAGAIN. So
// openLeased tries again until the lease is gone.
func (d *Dir) openLeased(name string, flag int, perm fs.FileMode) (*os.File, error) {
	began, pause := time.Now(), time.Millisecond
	for {
		file, err := d.open(name, flag, perm)
		if !errors.Is(err, syscall.EAGAIN) || time.Since(began) > leaseTime {
			return file, err
		}
		time.Sleep(pause)
		pause = min(2*pause, 100*time.Millisecond)
	}
}
