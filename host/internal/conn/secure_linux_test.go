package conn

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/wasi"
)

// certificate is a configuration with a self-signed certificate.
func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// secureOn makes a stream under TLS on a direct socket, and returns the client's end too.
func secureOn(t *testing.T) (*Stream, *teller, *tls.Conn, *net.TCPConn) {
	t.Helper()
	return secureOnBy(t, func(c net.Conn) net.Conn { return c })
}

// secureOnBy is secureOn with a layer beneath the client's TLS.
func secureOnBy(t *testing.T, beneath func(net.Conn) net.Conn) (*Stream, *teller, *tls.Conn, *net.TCPConn) {
	t.Helper()
	s, g, there := directOn(t)
	upgrade(t, s)
	reply := make([]byte, 5)
	_, err := io.ReadFull(there, reply)
	require.NoError(t, err)
	client := clientOn(t, beneath(there))
	for {
		s.mu.Lock()
		secured := s.secure != nil
		s.mu.Unlock()
		if secured {
			return s, g, client, there
		}
		time.Sleep(time.Millisecond)
	}
}

func upgrade(t *testing.T, s *Stream) {
	t.Helper()
	require.Equal(t, wasi.OK, s.UpgradeTo(&Upgrade{
		Config: certificate(t), Reply: []byte("234\r\n"), Guard: func(call func() error) error { return call() }}))
}

// clientOn shakes hands as the client.
func clientOn(t *testing.T, there net.Conn) *tls.Conn {
	t.Helper()
	client := tls.Client(there, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, client.Handshake())
	return client
}

// After the handshake a stream needs no goroutine. It reads what comes in records of any size, and
// in pieces of records.
func TestSecureReads(t *testing.T) {
	t.Parallel()
	s, g, client, there := secureOn(t)
	assert.Equal(t, uint16(tls.VersionTLS13), s.State().Version)
	for _, said := range []string{"NOOP\r\n", "X", "a line that is longer than the buffer of the guest\r\n"} {
		client.Write([]byte(said))
		got, _ := g.get(s, len(said))
		assert.Equal(t, said, string(got))
	}
	long := bytes.Repeat([]byte("0123456789"), 5000)
	go client.Write(long)
	got, _ := g.get(s, len(long))
	assert.True(t, bytes.Equal(long, got))

	client.CloseWrite()
	there.CloseWrite()
	_, end := g.get(s, 1)
	assert.Equal(t, wasi.OK, end, "the end")
	s.Close(time.Minute, time.Minute)
	<-g.closed
}

// dribble is a connection that sends each byte by itself.
type dribble struct{ net.Conn }

func (d dribble) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// A record may come byte by byte. One that nobody has sealed ends the connection.
func TestSecureReadsPieces(t *testing.T) {
	t.Parallel()
	s, g, client, there := secureOnBy(t, func(c net.Conn) net.Conn { return dribble{c} })
	client.Write([]byte("QUIT\r\n"))
	got, _ := g.get(s, 6)
	assert.Equal(t, "QUIT\r\n", string(got))
	there.Write([]byte{23, 3, 3, 0, 20})
	there.Write(make([]byte, 20))
	_, end := g.get(s, 1)
	assert.NotContains(t, []wasi.Errno{wasi.OK, wasi.EAGAIN}, end)
	s.Close(time.Minute, time.Minute)
	there.Close()
	<-g.closed
}

// Replies wait, as far as MaxUnsent, while the client reads nothing, and none is lost.
func TestSecureWrites(t *testing.T) {
	t.Parallel()
	s, g, client, there := secureOn(t)
	line := bytes.Repeat([]byte("x"), 1000)
	sent := 0
	for full := false; !full; {
		n, err := s.Write(line)
		require.Contains(t, []wasi.Errno{wasi.OK, wasi.EAGAIN}, err)
		sent += n
		full = n < len(line)
	}
	s.mu.Lock()
	assert.LessOrEqual(t, len(s.unsent), MaxUnsent)
	s.mu.Unlock()
	assert.True(t, s.Busy())
	got := make([]byte, sent)
	_, err := io.ReadFull(client, got)
	require.NoError(t, err)
	assert.Equal(t, sent, bytes.Count(got, []byte("x")))
	for <-g.events != wasi.EventWritable { // the poll may tell of the handshake's last bytes
	}
	s.Write([]byte("221\r\n"))
	s.Close(time.Minute, time.Minute)
	last, err := io.ReadAll(client) // up to close_notify
	assert.True(t, string(last) == "221\r\n" && err == nil, "%q, %v", last, err)
	there.Close()
	<-g.closed
}

// A stream that is cut says its last reply under TLS.
func TestSecureCut(t *testing.T) {
	t.Parallel()
	s, g, client, _ := secureOn(t)
	s.Cut("421\r\n")
	last := make([]byte, 5)
	_, err := io.ReadFull(client, last)
	assert.True(t, string(last) == "421\r\n" && err == nil, "%q, %v", last, err)
	<-g.closed
}
