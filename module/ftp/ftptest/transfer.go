package ftptest

import (
	"bytes"
	"slices"

	"wasiftp/module/ftp"
)

// Start begins to move the bytes of a file.
func (w *World) Start(file, data ftp.Handle, ascii bool, length int64) error {
	u, ok := get[*openFile](w, "Start", file)
	c, ok2 := get[*conn](w, "Start", data)
	if !ok || !ok2 {
		return ftp.ErrStorage
	}
	if u.conn != nil {
		w.broken("Start: a second time")
	}
	delete(w.handles, data)
	u.conn, u.ascii, u.length = c, ascii, length
	if length > 0 && u.mode == ftp.OpenRead {
		u.data = u.data[:min(int(length), len(u.data))]
	}
	if ascii && u.mode == ftp.OpenRead {
		u.data = bytes.ReplaceAll(u.data, []byte("\r\n"), []byte("\n"))
		u.data = bytes.ReplaceAll(u.data, []byte("\n"), []byte("\r\n"))
	}
	w.transfers = append(w.transfers, u)
	return nil
}

// Progress is how many bytes of a file have been moved, hashed or copied.
func (w *World) Progress(file ftp.Handle) uint64 {
	u, ok := get[*openFile](w, "Progress", file)
	if !ok {
		return 0
	}
	return u.moved
}

// move moves some of a transfer's bytes, and reports false if it has to wait for the client.
func (w *World) move(u *openFile) bool {
	switch {
	case u.sum != nil || u.copies:
		return w.moveSource(u)
	case u.mode == ftp.OpenRead:
		return w.moveDown(u)
	}
	return w.moveUp(u)
}

func (w *World) moveDown(u *openFile) bool {
	switch n := u.conn.room(len(u.data)); {
	case u.conn.clientGone:
		w.over(u, ftp.ErrReset)
	case len(u.data) == 0:
		w.over(u, nil)
	case n == 0:
		return false
	default:
		u.conn.toClient = append(u.conn.toClient, u.data[:n]...)
		u.data = u.data[n:]
		u.moved += uint64(n)
	}
	return true
}

func (w *World) moveUp(u *openFile) bool {
	c := u.conn
	n := len(c.toServer)
	u.data = append(slices.Clip(u.data), c.toServer...)
	c.toServer = nil
	u.moved += uint64(n)
	switch {
	case c.clientGone:
		w.over(u, ftp.ErrReset)
		return true
	case u.length > 0 && u.moved > uint64(u.length):
		w.over(u, ftp.ErrName)
		return true
	case c.clientClosed:
		if u.ascii {
			u.data = bytes.ReplaceAll(u.data, []byte("\r\n"), []byte("\n"))
		}
		w.over(u, nil)
		return true
	}
	return n > 0
}

// over ends a transfer, and tells the engine how.
func (w *World) over(u *openFile, err error) {
	u.over = err == nil
	w.event(ftp.EventTransfer, u.owner.handle, u.handle, err, u.moved)
	w.drop(u)
}

// drop closes a transfer's data connection. The client sees it broken if a download is not
// over.
func (w *World) drop(u *openFile) {
	w.transfers = slices.DeleteFunc(w.transfers, func(t *openFile) bool { return t == u })
	if u.conn != nil {
		u.conn.serverClosed = true
		u.conn.reset = u.mode == ftp.OpenRead && !u.over
	}
}
