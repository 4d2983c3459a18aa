package fsbridge

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// folderAhead has the entries that read has got and not yet returned.
type folderAhead = dirents

// read reads n entries; the error is [io.EOF] after the last. It calls getdents itself,
// which tells the type of each entry. Package os would describe each entry instead, so that
// the disk had to look up every file.
func (f *folder) read(n int) (entries []entry, err error) {
	if f.ahead.conn == nil {
		if f.ahead, err = newDirents(f.file); err != nil {
			return nil, err
		}
	}
	for len(entries) < n {
		name, kind, err := f.ahead.next()
		if err != nil {
			return entries, err
		}
		entries = append(entries, f.entry(name, kind))
	}
	return entries, nil
}

// entry is the entry of that name and d_type.
func (f *folder) entry(name string, kind byte) entry {
	switch kind {
	case unix.DT_REG:
		return entry{name, 0}
	case unix.DT_DIR:
		return entry{name, fs.ModeDir}
	case unix.DT_LNK:
		return entry{name, fs.ModeSymlink}
	case unix.DT_UNKNOWN:
		return f.describe(name)
	}
	return entry{name, fs.ModeIrregular}
}

// onLocalDisk says whether a file is on a file system that no other machine can have
// mounted, so that no lock on it is hidden from this one.
func onLocalDisk(file *os.File) bool {
	var stat unix.Statfs_t
	err := again(func() error { return unix.Fstatfs(int(file.Fd()), &stat) })
	return err == nil && local[uint32(stat.Type)]
}

// local has the magic numbers of file systems on disks and in memory. Those without a
// name in golang.org/x/sys are from the sources of the file systems.
var local = map[uint32]bool{
	unix.EXT4_SUPER_MAGIC: true, // ext2 and ext3, too
	unix.XFS_SUPER_MAGIC:  true, unix.BTRFS_SUPER_MAGIC: true, unix.F2FS_SUPER_MAGIC: true,
	unix.REISERFS_SUPER_MAGIC: true, unix.NILFS_SUPER_MAGIC: true, unix.UDF_SUPER_MAGIC: true,
	unix.TMPFS_MAGIC: true, unix.RAMFS_MAGIC: true, unix.OVERLAYFS_SUPER_MAGIC: true,
	unix.MSDOS_SUPER_MAGIC: true, unix.EXFAT_SUPER_MAGIC: true, unix.MINIX3_SUPER_MAGIC: true,
	0x2FC12FC1:                true, // ZFS
	unix.BCACHEFS_SUPER_MAGIC: true,
	0x7366746E:                true, // ntfs3
	0x5346544E:                true, // ntfs
	0x3153464A:                true, // JFS
	0x482B:                    true, // HFS+
}
