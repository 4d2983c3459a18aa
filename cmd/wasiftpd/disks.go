package main

import (
	"slices"
	"sync"
	"time"

	"wasiftp/cmd/wasiftpd/admin"
	"wasiftp/fsbridge"
)

// disks know the space where folders are.
type disks struct {
	mu    sync.Mutex
	known map[string]*diskSpace
}

// diskSpace is the space of a folder when it was last asked for.
type diskSpace struct {
	free   int64
	err    error
	at     time.Time
	asking chan struct{} // closed when the answer is there; nil if nobody asks
}

const (
	freshTime   = 10 * time.Second       // how long an answer counts
	answerTime  = 200 * time.Millisecond // how long a disk has to answer at once
	mostFolders = 50
)

// space tells the space of folders, of at most mostFolders of them. A disk that hangs keeps one
// goroutine, and nobody else.
func (d *disks) space(folders []string) (all []admin.Disk) {
	slices.Sort(folders)
	folders = slices.Compact(folders)
	folders = folders[:min(len(folders), mostFolders)]
	late := time.After(answerTime)
	for _, folder := range folders {
		select {
		case <-d.ask(folder):
		case <-late:
		}
		all = append(all, d.last(folder))
	}
	return all
}

// ask asks a disk, unless its last answer is fresh or somebody asks it already. The channel is
// closed when it has answered.
func (d *disks) ask(folder string) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	one := d.known[folder]
	if one == nil {
		one = new(diskSpace)
		if d.known == nil {
			d.known = map[string]*diskSpace{}
		}
		d.known[folder] = one
	}
	if one.asking != nil {
		return one.asking
	}
	done := make(chan struct{})
	if time.Since(one.at) < freshTime {
		close(done)
		return done
	}
	one.asking = done
	go func() {
		free, err := spaceAt(folder)
		d.mu.Lock()
		defer d.mu.Unlock()
		one.free, one.err, one.at, one.asking = free, err, time.Now(), nil
		close(done)
	}()
	return done
}

func (d *disks) last(folder string) admin.Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	one := d.known[folder]
	told := admin.Disk{Folder: folder, Free: one.free}
	switch {
	case one.asking != nil:
		told.Error = "the disk does not answer"
	case one.err != nil:
		told.Error = one.err.Error()
	}
	return told
}

func spaceAt(folder string) (int64, error) {
	dir, err := folderAt(folder, fsbridge.DirOptions{})
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	return dir.Space(".")
}
