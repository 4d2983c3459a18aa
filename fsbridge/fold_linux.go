package fsbridge

import "golang.org/x/sys/unix"

// foldsNames reports whether the file system of the directory at path is of a kind that
// mostly takes names without regard to case.
func foldsNames(path string) bool {
	var s unix.Statfs_t
	if unix.Statfs(path, &s) != nil {
		return false
	}
	switch uint32(s.Type) {
	case unix.MSDOS_SUPER_MAGIC, unix.EXFAT_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC,
		0x5346544e, 0x7366746e, // two drivers of NTFS
		0x482b, 0x4244: // HFS+, HFS
		return true
	}
	return false
}
