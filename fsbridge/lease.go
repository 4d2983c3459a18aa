package fsbridge

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// leaseTime is longer than a system lets somebody keep a lease who was asked to give
// it up: on Linux 45 seconds, unless /proc/sys/fs/lease-break-time says otherwise.
const leaseTime = time.Minute

// openLeased opens a file that another program may have a lease on, as Samba has for
// clients that keep the file to themselves (oplocks). To open it asks for the lease
// back, but fails if it is not to wait; what may be a pipe is never waited for. So it
// is opened again and again.
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
