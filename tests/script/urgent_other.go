//go:build !unix

package script

// Urgent sends p in band: net has no urgent data.
func (c tcpConn) Urgent(p []byte) error {
	_, err := c.Write(p)
	return err
}
