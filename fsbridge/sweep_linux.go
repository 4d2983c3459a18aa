package fsbridge

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// read reads some entries; io.EOF comes after the last. It asks the system itself,
// which tells the types of entries while it reads them. os describes each one instead,
// for which a disk has to look up every file.
func (f *folder) read(n int) (entries []entry, err error) {
	for len(entries) < n {
		if len(f.rest) == 0 {
			if f.rest, err = f.readRaw(); err != nil {
				return entries, err
			}
		}
		if len(f.rest) < direntName {
			return entries, unix.EIO
		}
		size := int(binary.NativeEndian.Uint16(f.rest[direntSize:]))
		if size <= direntName || size > len(f.rest) {
			return entries, unix.EIO
		}
		name, _, _ := bytes.Cut(f.rest[direntName:size], []byte{0})
		kind := f.rest[direntType]
		f.rest = f.rest[size:]
		if e := f.entry(string(name), kind); e.name != "." && e.name != ".." {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// Where the fields of a linux_dirent64 are.
const direntSize, direntType, direntName = 16, 18, 19

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

func (f *folder) readRaw() (raw []byte, err error) {
	conn, err := f.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	raw = make([]byte, 8<<10)
	n := 0
	closed := conn.Control(func(fd uintptr) {
		err = again(func() (err error) {
			n, err = unix.Getdents(int(fd), raw)
			return err
		})
	})
	switch {
	case closed != nil:
		return nil, closed
	case err != nil:
		return nil, err
	case n == 0:
		return nil, io.EOF
	}
	return raw[:n], nil
}

// ofThisMachine says whether a file is on a file system that nobody else can have
// mounted: all its locks are seen here.
func ofThisMachine(file *os.File) bool {
	var stat unix.Statfs_t
	err := again(func() error { return unix.Fstatfs(int(file.Fd()), &stat) })
	return err == nil && local[uint32(stat.Type)]
}

// local are the magic numbers of file systems on disks and in memory. Those that
// golang.org/x/sys does not name are told of in their own sources.
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
