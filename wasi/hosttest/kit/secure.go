package kit

import (
	"bytes"
	"compress/zlib"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"time"

	"wasiftp/wasi"
)

var secureChecks = []Check{
	{"net_tls", "ENOSYS", "ENOSYS when, and only when, the configuration says that there is no TLS", loggedIn(func(c *Trial) {
		conn, _ := c.Data()
		errno := c.Raw(wasi.NetTLS, conn, wasi.TLSServer, c.At(TextAt), 0)
		if offers := c.config().TLS; offers != (errno != wasi.ENOSYS) {
			c.T.Errorf("the configuration says %v to TLS, but net_tls is %v", offers, errno)
		}
	})},
	{"net_tls", "result", "says reply in the clear, and the control connection goes on behind the handshake", func(c *Trial) {
		c.secured()
		c.life()
		c.enter()
		c.has(c.made("file", content), content)
		c.refused(wasi.EINVAL, wasi.NetTLS, c.Session, wasi.TLSServer, c.At(TextAt), 0)
	}},
	{"net_tls", "result", "the control connection forgets what arrived before the handshake", func(c *Trial) {
		c.needsTLS()
		c.switches(wasi.TLSServer, "234 go on\r\n", manyLines)
		if c.secure(c.tls()) != nil {
			return // the host took the lines for the handshake, and so obeyed none of them
		}
		if answer := c.Reply(); !strings.HasPrefix(answer, "errno ") {
			c.T.Fatalf("%q is no errno", answer)
		}
		if answer := c.Answer("life"); strings.HasPrefix(answer, "pages") {
			c.T.Errorf("a line sent before the handshake is obeyed after it")
		}
	}},
	{"net_tls", "EventWritable", "protects a data connection, once EventWritable has said OK", func(c *Trial) {
		c.secured()
		c.enter()
		file := c.Open(c.made("file", content), 0, 0)
		conn, client := c.secureData()
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		c.ended(client, content)
		c.finish(c.Event(wasi.EventTransfer, file))
	}},
	{"net_tls", "result", "an upload under TLS is whole, and one that ends within a record broke off", func(c *Trial) {
		c.secured()
		c.enter()
		want := string(pattern(1 << 20))
		name := c.name("file")
		for _, whole := range []bool{true, false} {
			file := c.create(name)
			conn, client := c.secureData()
			c.Must(wasi.TransferStart, file, conn, 0, 0)
			io.WriteString(client, want)
			if whole {
				client.CloseWrite()
				c.finish(c.Event(wasi.EventTransfer, file))
				c.Must(wasi.FileCommit, file)
				if got := c.secureContent(name); got != want {
					c.T.Errorf("of %d bytes sent, %d are in the file, or other bytes", len(want), len(got))
				}
				continue
			}
			under := client.NetConn().(*net.TCPConn)
			under.Write([]byte{23, 3, 3, 0, 100, 1}) // a record of 100 bytes, of which one comes
			under.CloseWrite()
			if e := c.Event(wasi.EventTransfer, file); e.Errno == wasi.OK {
				c.T.Errorf("EventTransfer says OK of an upload that ends within a TLS record")
			}
		}
	}},
	{"net_tls", "EventWritable EPROTO", "EventWritable says EPROTO when the handshake fails", func(c *Trial) {
		c.needsTLS()
		c.enter()
		conn, client := c.Data()
		c.Must(wasi.NetTLS, conn, wasi.TLSServer, c.At(TextAt), 0)
		c.noHandshake(conn, client)
	}},
	{"net_tls", "EINVAL", "EINVAL for a reply on a data connection, and for a connection that is protected", func(c *Trial) {
		c.secured()
		c.enter()
		conn, _ := c.Data()
		c.refused(wasi.EINVAL, wasi.NetTLS, conn, wasi.TLSServer, c.At(TextAt), 1)
		conn, _ = c.secureData()
		c.refused(wasi.EINVAL, wasi.NetTLS, conn, wasi.TLSServer, c.At(TextAt), 0)
	}},

	{"net_tls", "result EventWritable",
		"is the client in the handshake of a data connection, which goes on behind it once EventWritable has said OK", func(c *Trial) {
			c.joins()
			name := c.name("file")
			file := c.create(name)
			conn, server := c.joinedData()
			c.Must(wasi.TransferStart, file, conn, 0, 0)
			io.WriteString(server, content)
			server.CloseWrite()
			c.finish(c.Event(wasi.EventTransfer, file))
			c.Must(wasi.FileCommit, file)
			file = c.Open(name, 0, 0)
			conn, server = c.joinedData()
			c.Must(wasi.TransferStart, file, conn, 0, 0)
			c.ended(server, content)
			c.finish(c.Event(wasi.EventTransfer, file))
		}},
	{"net_tls", "EventWritable EPROTO", "as the client: EventWritable says EPROTO when the handshake fails", func(c *Trial) {
		c.joins()
		conn, other := c.Data()
		c.Must(wasi.NetTLS, conn, wasi.TLSClient, c.At(TextAt), 0)
		c.noHandshake(conn, other)
	}},
	{"net_tls", "EINVAL",
		"as the client: EINVAL for a connection that is protected, be it as a server or as a client", func(c *Trial) {
			c.joins()
			conn, _ := c.joinedData()
			c.refused(wasi.EINVAL, wasi.NetTLS, conn, wasi.TLSClient, c.At(TextAt), 0)
			c.refused(wasi.EINVAL, wasi.NetTLS, conn, wasi.TLSServer, c.At(TextAt), 0)
			conn, _ = c.secureData()
			c.refused(wasi.EINVAL, wasi.NetTLS, conn, wasi.TLSClient, c.At(TextAt), 0)
		}},
	{"net_tls", "EACCES", "as the client: EACCES when that is not allowed", func(c *Trial) {
		c.needsTLS()
		c.forbids(joining)
		c.enter()
		conn, _ := c.Data()
		c.refused(wasi.EACCES, wasi.NetTLS, conn, wasi.TLSClient, c.At(TextAt), 0)
	}},

	{"net_tls", "EINVAL", "EINVAL for another part", func(c *Trial) {
		c.needsTLS()
		c.refused(wasi.EINVAL, wasi.NetTLS, c.Session, 3, c.At(TextAt), 0)
	}},
	{"net_tls", "result", "says reply as the last thing under TLS, and goes on in the clear", stopsTLS},
	{"net_tls", "EINVAL", "part 2 is EINVAL for a connection that is not protected", func(c *Trial) {
		c.needs(stopping)
		c.refused(wasi.EINVAL, wasi.NetTLS, c.Session, wasi.TLSEnd, c.At(TextAt), 0)
		stopsTLS(c)
		c.refused(wasi.EINVAL, wasi.NetTLS, c.Session, wasi.TLSEnd, c.At(TextAt), 0)
	}},
	{"net_tls", "EACCES", "part 2 is EACCES when that is not allowed", func(c *Trial) {
		c.forbids(stopping)
		c.secured()
		c.refused(wasi.EACCES, wasi.NetTLS, c.Session, wasi.TLSEnd, c.At(TextAt), 0)
	}},

	{"net_deflate", "result", "compresses a download, at each level", loggedIn(func(c *Trial) {
		want := strings.Repeat(content, 50000)
		name := c.made("file", want)
		for _, level := range []uint64{0, 1, 9} {
			file := c.Open(name, 0, 0)
			conn, client := c.deflated(level)
			c.Must(wasi.TransferStart, file, conn, 0, 0)
			packed, err := io.ReadAll(client)
			if err != nil || len(packed) > len(want)/2 {
				c.T.Errorf("level %d: %d bytes are sent as %d, %v", level, len(want), len(packed), err)
			}
			if got := expand(packed); got != want {
				c.T.Errorf("level %d: the bytes sent are not the file in zlib format", level)
			}
			c.finish(c.Event(wasi.EventTransfer, file))
		}
	})},
	{"net_deflate", "result", "expands an upload, of no bytes too", loggedIn(func(c *Trial) {
		for _, want := range []string{"", content, strings.Repeat(content, 50000)} {
			name := c.name("file")
			file := c.create(name)
			conn, client := c.deflated(0)
			c.Must(wasi.TransferStart, file, conn, 0, 0)
			client.Write(compress(want))
			client.CloseWrite()
			c.finish(c.Event(wasi.EventTransfer, file))
			c.Must(wasi.FileCommit, file)
			c.has(name, want)
		}
	})},
	{"net_deflate", "result", "an upload whose data are cut short, or are no zlib, ends with an errno", loggedIn(func(c *Trial) {
		whole := compress(string(pattern(10000)))
		for _, sent := range [][]byte{whole[:len(whole)-5], whole[:100], []byte("this is not in zlib format"), {}} {
			file := c.create(c.name("file"))
			conn, client := c.deflated(0)
			c.Must(wasi.TransferStart, file, conn, 0, 0)
			client.Write(sent)
			client.CloseWrite()
			if e := c.Event(wasi.EventTransfer, file); e.Errno == wasi.OK {
				c.T.Errorf("EventTransfer says OK of %d bytes that are no whole zlib stream", len(sent))
			}
			c.Must(wasi.HandleClose, file)
		}
	})},
	{"net_deflate", "result", "compresses what net_write is given, and handle_close ends it", loggedIn(func(c *Trial) {
		conn, client := c.deflated(0)
		c.write(conn, content)
		c.Must(wasi.HandleClose, conn)
		c.expands(client, content)
	})},
	{"net_deflate", "result", "compresses under TLS", func(c *Trial) {
		c.secured()
		c.enter()
		want := strings.Repeat(content, 5000)
		file := c.Open(c.made("file", want), 0, 0)
		conn, client := c.secureData()
		c.Must(wasi.NetDeflate, conn, 0)
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		c.expands(client, want)
		c.finish(c.Event(wasi.EventTransfer, file))
	}},
	{"net_deflate", "EINVAL", "EINVAL for a level above 9, and for a connection that is compressed", loggedIn(func(c *Trial) {
		conn, _ := c.Data()
		c.refused(wasi.EINVAL, wasi.NetDeflate, conn, 10)
		c.Must(wasi.NetDeflate, conn, 0)
		c.refused(wasi.EINVAL, wasi.NetDeflate, conn, 0)
	})},
}

// needsTLS skips the check when the host has no TLS.
func (c *Trial) needsTLS() {
	c.T.Helper()
	if !c.config().TLS {
		c.T.Skipf(NotOffered + "the configuration says that there is no TLS")
	}
}

// tls is the client's configuration of a handshake. The data connections of a session
// resume the TLS session of its control connection.
func (c *Trial) tls() *tls.Config {
	if c.resumption == nil {
		c.resumption = &tls.Config{
			InsecureSkipVerify: true, ServerName: "hosttest", ClientSessionCache: tls.NewLRUClientSessionCache(0),
		}
	}
	return c.resumption
}

// manyLines follow a call of net_tls at once. The host must drop them.
var manyLines = "\n" + strings.Repeat("pages\n", 1000)

// switches calls net_tls for the control connection, sends behind right after the call, and
// reads the reply.
func (c *Trial) switches(part uint64, reply, behind string) {
	c.T.Helper()
	text := c.Text(reply)
	c.Send("call %s%s", Numbers(wasi.NetTLS, c.Session, part, text[0], text[1]), behind)
	if got, err := c.lines.ReadString('\n'); err != nil || got != reply {
		c.T.Fatalf("the reply of net_tls comes as %q, %v", got, err)
	}
}

// secured puts the control connection under TLS.
func (c *Trial) secured() {
	c.T.Helper()
	c.needsTLS()
	c.switches(wasi.TLSServer, "234 go on\r\n", "")
	if err := c.secure(c.tls()); err != nil {
		c.T.Fatalf("the handshake of the control connection: %v", err)
	}
	if errno := c.Errno(c.Reply()); errno != wasi.OK {
		c.T.Fatalf("net_tls: %v, not OK", errno)
	}
}

// noHandshake makes the handshake of a data connection fail, and closes the connection.
func (c *Trial) noHandshake(conn uint64, other *net.TCPConn) {
	c.T.Helper()
	io.WriteString(other, "this is no handshake, but some text\r\n")
	other.CloseWrite()
	if e := c.Event(wasi.EventWritable, conn); e.Errno != wasi.EPROTO {
		c.T.Errorf("EventWritable says %v, not EPROTO", e.Errno)
	}
	c.Must(wasi.HandleClose, conn)
}

// secureData is a data connection under TLS, with the host as the server.
func (c *Trial) secureData() (uint64, *tls.Conn) {
	c.T.Helper()
	return c.handshake(wasi.TLSServer, tls.Client, c.tls())
}

// joinedData is a data connection under TLS, with the host as the client.
func (c *Trial) joinedData() (uint64, *tls.Conn) {
	c.T.Helper()
	return c.handshake(wasi.TLSClient, tls.Server, &tls.Config{Certificates: []tls.Certificate{certificate(c.T)}})
}

// handshake puts a new data connection under TLS. The host plays a part of the handshake, and
// end is the other one.
func (c *Trial) handshake(part uint64, end func(net.Conn, *tls.Config) *tls.Conn, config *tls.Config) (uint64, *tls.Conn) {
	c.T.Helper()
	conn, plain := c.Data()
	c.Must(wasi.NetTLS, conn, part, c.At(TextAt), 0)
	other := end(plain, config)
	if err := other.Handshake(); err != nil {
		c.T.Fatalf("the handshake of a data connection: %v", err)
	}
	c.connected(conn)
	return conn, other
}

// joins logs in under TLS, on a host that may be the client in a handshake.
func (c *Trial) joins() {
	c.T.Helper()
	c.needsTLS()
	c.needs(joining)
	c.secured()
	c.enter()
}

// secureContent downloads a file under TLS.
func (c *Trial) secureContent(name string) string {
	c.T.Helper()
	file := c.Open(name, 0, 0)
	conn, client := c.secureData()
	c.Must(wasi.TransferStart, file, conn, 0, 0)
	got, err := io.ReadAll(client)
	if err != nil {
		c.T.Errorf("a download under TLS: %v", err)
	}
	c.finish(c.Event(wasi.EventTransfer, file))
	return string(got)
}

// deflated is a data connection with compression.
func (c *Trial) deflated(level uint64) (uint64, *net.TCPConn) {
	c.T.Helper()
	conn, client := c.Data()
	c.Must(wasi.NetDeflate, conn, level)
	return conn, client
}

func stopsTLS(c *Trial) {
	c.secured()
	c.needs(stopping)
	conn := c.Conn.(*tls.Conn)
	c.switches(wasi.TLSEnd, "200 in the clear\r\n", manyLines)
	late := time.AfterFunc(2*time.Second, func() { conn.CloseWrite() }) // a host may wait for the client's end of TLS
	if rest, err := c.Rest(); rest != "" || err != nil {
		c.T.Fatalf("after the last reply under TLS come %q and %v, not the end of TLS", rest, err)
	}
	late.Stop()
	conn.CloseWrite()
	c.Conn = conn.NetConn()
	c.Conn.SetDeadline(time.Now().Add(c.patience)) // CloseWrite has set the deadline for writes to now
	c.lines.Reset(c.Conn)
	if errno := c.Errno(c.Reply()); errno != wasi.OK {
		c.T.Fatalf("net_tls: %v, not OK", errno)
	}
	c.life() // an answer to a line behind the call would come first, and fail here
}

// certificate is a self-signed certificate.
func certificate(t T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("no key: %v", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatalf("no certificate: %v", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func compress(s string) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.Bytes()
}

// expands checks that the client gets a whole zlib stream of want.
func (c *Trial) expands(client io.Reader, want string) {
	c.T.Helper()
	packed, err := io.ReadAll(client)
	if got := expand(packed); err != nil || got != want {
		c.T.Errorf("the client gets %d bytes and %v, which do not expand to %.80q", len(packed), err, want)
	}
}

// expand is the content of a whole zlib stream, "" for other bytes.
func expand(b []byte) string {
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return ""
	}
	s, err := io.ReadAll(r)
	if err != nil {
		return ""
	}
	return string(s)
}
