//go:build !unix

package script

// Urgent sends p as ordinary data: package net has no urgent data.
func (c tcpConn) Urgent(p []byte) error {
	_, err := c.Write(p)
	return err
}
