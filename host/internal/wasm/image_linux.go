package wasm

import (
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// image is what the linear memory of each instance holds when the module starts. Instances
// change few pages of it, and share the others.
type image struct {
	content []byte   // nil if file has it
	file    *os.File // memory of the system; nil if that gives none
	size    int
}

// newImage makes an image. Nobody can change its file.
func newImage(content []byte) *image {
	m := &image{content: content, size: len(content)}
	fd, err := unix.MemfdCreate("wasiftp", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return m
	}
	file := os.NewFile(uintptr(fd), "image")
	if _, err = file.Write(content); err == nil {
		const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	}
	if err != nil {
		file.Close()
		return m
	}
	m.content, m.file = nil, file
	return m
}

// fill makes the image the content of a linear memory that is zero, and mapped.
func (m *image) fill(memory []byte) error {
	switch {
	case m.size == 0:
		return nil
	case m.file == nil:
		copy(memory, m.content)
		return nil
	}
	_, err := unix.MmapPtr(int(m.file.Fd()), 0, unsafe.Pointer(unsafe.SliceData(memory)), uintptr(m.size),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
	if err != nil { // the memory is still as it was
		_, err = io.ReadFull(io.NewSectionReader(m.file, 0, int64(m.size)), memory[:m.size])
	}
	return err
}

func (m *image) close() {
	if m.file != nil {
		m.file.Close()
	}
}
