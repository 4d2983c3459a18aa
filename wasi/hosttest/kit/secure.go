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
	{"net_tls", "ENOSYS", "ENOSYS when, and only when, the configuration says that there is no TLS", func(c *Trial) {
		c.enter()
		conn, _ := c.Data()
		errno := c.Raw(wasi.NetTLS, conn, wasi.TLSServer, c.At(TextAt), 0)
		if offers := c.config().TLS; offers != (errno != wasi.ENOSYS) {
			c.T.Errorf("the configuration says %v to TLS, and it is %v", offers, errno)
		}
	}},
	{"net_tls", "result", "says reply in the clear, and the control connection goes on behind the handshake", func(c *Trial) {
		c.secured()
		c.life()
		c.enter()
		c.has(c.made("file", content), content)
		c.refused(wasi.EINVAL, wasi.NetTLS, c.Session, wasi.TLSServer, c.At(TextAt), 0)
	}},
	{"net_tls", "result", "the control connection forgets what arrived before the handshake", func(c *Trial) {
		c.needsTLS()
		text := c.Text("234 go on\r\n")
		c.Send("call %s\n%s", Numbers(wasi.NetTLS, c.Session, wasi.TLSServer, text[0], text[1]), strings.Repeat("pages\n", 1000))
		if reply, err := c.lines.ReadString('\n'); err != nil || reply != "234 go on\r\n" {
			c.T.Fatalf("the reply in the clear is %q, %v", reply, err)
		}
		if c.secure(c.tls()) != nil {
			return // what came before was taken for the handshake: nothing of it was obeyed
		}
		if answer := c.Reply(); !strings.HasPrefix(answer, "errno ") {
			c.T.Fatalf("%q is no errno", answer)
		}
		if answer := c.Answer("life"); strings.HasPrefix(answer, "pages") {
			c.T.Errorf("what was sent before the handshake is obeyed after it")
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
			file := c.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
			conn, client := c.secureData()
			c.Must(wasi.TransferStart, file, conn, 0, 0)
			io.WriteString(client, want)
			if whole {
				client.CloseWrite()
				c.finish(c.Event(wasi.EventTransfer, file))
				c.succeed(wasi.FileCommit, c.Call(wasi.FileCommit, file))
				if got := c.secureContent(name); got != want {
					c.T.Errorf("%d bytes were sent, and %d stored, or others", len(want), len(got))
				}
				continue
			}
			under := client.NetConn().(*net.TCPConn)
			under.Write([]byte{23, 3, 3, 0, 100, 1}) // one byte of a hundred
			under.CloseWrite()
			if e := c.Event(wasi.EventTransfer, file); e.Errno == wasi.OK {
				c.T.Errorf("of an upload that ends within a record EventTransfer says OK")
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
			file := c.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
			conn, server := c.joinedData()
			c.Must(wasi.TransferStart, file, conn, 0, 0)
			io.WriteString(server, content)
			server.CloseWrite()
			c.finish(c.Event(wasi.EventTransfer, file))
			c.succeed(wasi.FileCommit, c.Call(wasi.FileCommit, file))
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
		c.denied(wasi.NetTLS, c.Raw(wasi.NetTLS, conn, wasi.TLSClient, c.At(TextAt), 0))
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
		c.denied(wasi.NetTLS, c.Raw(wasi.NetTLS, c.Session, wasi.TLSEnd, c.At(TextAt), 0))
	}},

	{"net_deflate", "result", "compresses a download, at each level", func(c *Trial) {
		c.enter()
		want := strings.Repeat(content, 50000)
		name := c.made("file", want)
		for _, level := range []uint64{0, 1, 9} {
			file := c.Open(name, 0, 0)
			conn, client := c.deflated(level)
			c.Must(wasi.TransferStart, file, conn, 0, 0)
			packed, err := io.ReadAll(client)
			if err != nil || len(packed) > len(want)/2 {
				c.T.Errorf("level %d: %d bytes go as %d, %v", level, len(want), len(packed), err)
			}
			if got := expand(packed); got != want {
				c.T.Errorf("level %d: what comes is not the file in zlib format", level)
			}
			c.finish(c.Event(wasi.EventTransfer, file))
		}
	}},
	{"net_deflate", "result", "expands an upload, of no bytes too", func(c *Trial) {
		c.enter()
		for _, want := range []string{"", content, strings.Repeat(content, 50000)} {
			name := c.name("file")
			file := c.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
			conn, client := c.deflated(0)
			c.Must(wasi.TransferStart, file, conn, 0, 0)
			client.Write(compress(want))
			client.CloseWrite()
			c.finish(c.Event(wasi.EventTransfer, file))
			c.succeed(wasi.FileCommit, c.Call(wasi.FileCommit, file))
			c.has(name, want)
		}
	}},
	{"net_deflate", "result", "an upload whose data are cut short, or are no zlib, ends with an errno", func(c *Trial) {
		c.enter()
		whole := compress(string(pattern(10000)))
		for _, sent := range [][]byte{whole[:len(whole)-5], whole[:100], []byte("this is not in zlib format"), {}} {
			file := c.Open(c.name("file"), wasi.OpenWrite|wasi.OpenTruncate, 0)
			conn, client := c.deflated(0)
			c.Must(wasi.TransferStart, file, conn, 0, 0)
			client.Write(sent)
			client.CloseWrite()
			if e := c.Event(wasi.EventTransfer, file); e.Errno == wasi.OK {
				c.T.Errorf("%d bytes that are no whole stream end with OK", len(sent))
			}
			c.Must(wasi.HandleClose, file)
		}
	}},
	{"net_deflate", "result", "compresses what net_write is given, and handle_close ends it", func(c *Trial) {
		c.enter()
		conn, client := c.deflated(0)
		text := c.Text(content)
		c.Must(wasi.NetWrite, conn, text[0], text[1], c.At(ResultAt))
		c.Must(wasi.HandleClose, conn)
		packed, err := io.ReadAll(client)
		if got := expand(packed); err != nil || got != content {
			c.T.Errorf("%d bytes come, %v, which expand to %q", len(packed), err, got)
		}
	}},
	{"net_deflate", "result", "compresses under TLS", func(c *Trial) {
		c.secured()
		c.enter()
		want := strings.Repeat(content, 5000)
		file := c.Open(c.made("file", want), 0, 0)
		conn, client := c.secureData()
		c.Must(wasi.NetDeflate, conn, 0)
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		packed, err := io.ReadAll(client)
		if got := expand(packed); err != nil || got != want {
			c.T.Errorf("%d bytes come, %v, which do not expand to the file", len(packed), err)
		}
		c.finish(c.Event(wasi.EventTransfer, file))
	}},
	{"net_deflate", "EINVAL", "EINVAL for a level above 9, and for a connection that is compressed", func(c *Trial) {
		c.enter()
		conn, _ := c.Data()
		c.refused(wasi.EINVAL, wasi.NetDeflate, conn, 10)
		c.Must(wasi.NetDeflate, conn, 0)
		c.refused(wasi.EINVAL, wasi.NetDeflate, conn, 0)
	}},
}

func (c *Trial) needsTLS() {
	c.T.Helper()
	if !c.config().TLS {
		c.T.Skipf(NotOffered + "the configuration says that there is no TLS")
	}
}

// tls is the client's side of a handshake. One session's data connections resume
// what its control connection began.
func (c *Trial) tls() *tls.Config {
	if c.resumption == nil {
		c.resumption = &tls.Config{
			InsecureSkipVerify: true, ServerName: "hosttest", ClientSessionCache: tls.NewLRUClientSessionCache(0),
		}
	}
	return c.resumption
}

// secured puts the control connection behind a handshake.
func (c *Trial) secured() {
	c.T.Helper()
	c.needsTLS()
	text := c.Text("234 go on\r\n")
	c.Send("call %s", Numbers(wasi.NetTLS, c.Session, wasi.TLSServer, text[0], text[1]))
	if reply, err := c.lines.ReadString('\n'); err != nil || reply != "234 go on\r\n" {
		c.T.Fatalf("the reply in the clear is %q, %v", reply, err)
	}
	if err := c.secure(c.tls()); err != nil {
		c.T.Fatalf("the handshake: %v", err)
	}
	if errno := c.Errno(c.Reply()); errno != wasi.OK {
		c.T.Fatalf("%v, not OK", errno)
	}
}

// noHandshake makes the handshake of a data connection fail, and closes that.
func (c *Trial) noHandshake(conn uint64, other *net.TCPConn) {
	c.T.Helper()
	io.WriteString(other, "this is no handshake, but some text\r\n")
	other.CloseWrite()
	if e := c.Event(wasi.EventWritable, conn); e.Errno != wasi.EPROTO {
		c.T.Errorf("it says %v, not EPROTO", e.Errno)
	}
	c.Must(wasi.HandleClose, conn)
}

// secureData is a data connection behind a handshake.
func (c *Trial) secureData() (uint64, *tls.Conn) {
	c.T.Helper()
	conn, plain := c.Data()
	c.Must(wasi.NetTLS, conn, wasi.TLSServer, c.At(TextAt), 0)
	client := tls.Client(plain, c.tls())
	if err := client.Handshake(); err != nil {
		c.T.Fatalf("the handshake of a data connection: %v", err)
	}
	if e := c.Event(wasi.EventWritable, conn); e.Errno != wasi.OK {
		c.T.Fatalf("EventWritable says %v, not OK", e.Errno)
	}
	return conn, client
}

// joins is a session whose data connections may be joined.
func (c *Trial) joins() {
	c.T.Helper()
	c.needsTLS()
	c.needs(joining)
	c.secured()
	c.enter()
}

// joinedData is a data connection on which the host is the TLS client.
func (c *Trial) joinedData() (uint64, *tls.Conn) {
	c.T.Helper()
	conn, plain := c.Data()
	c.Must(wasi.NetTLS, conn, wasi.TLSClient, c.At(TextAt), 0)
	server := tls.Server(plain, &tls.Config{Certificates: []tls.Certificate{certificate(c.T)}})
	if err := server.Handshake(); err != nil {
		c.T.Fatalf("the handshake: %v", err)
	}
	if e := c.Event(wasi.EventWritable, conn); e.Errno != wasi.OK {
		c.T.Fatalf("EventWritable says %v, not OK", e.Errno)
	}
	return conn, server
}

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

func (c *Trial) deflated(level uint64) (uint64, *net.TCPConn) {
	c.T.Helper()
	conn, client := c.Data()
	c.succeed(wasi.NetDeflate, c.Raw(wasi.NetDeflate, conn, level))
	return conn, client
}

func stopsTLS(c *Trial) {
	c.secured()
	c.needs(stopping)
	conn := c.Conn.(*tls.Conn)
	text := c.Text("200 in the clear\r\n")
	c.Send("call %s\n%s", Numbers(wasi.NetTLS, c.Session, wasi.TLSEnd, text[0], text[1]), strings.Repeat("pages\n", 1000))
	if reply, err := c.lines.ReadString('\n'); err != nil || reply != "200 in the clear\r\n" {
		c.T.Fatalf("the last reply under TLS is %q, %v", reply, err)
	}
	late := time.AfterFunc(2*time.Second, func() { conn.CloseWrite() }) // a host may wait for us
	if rest, err := c.Rest(); rest != "" || err != nil {
		c.T.Fatalf("after the last reply TLS ends with %q, %v", rest, err)
	}
	late.Stop()
	conn.CloseWrite()
	c.Conn = conn.NetConn()
	c.Conn.SetDeadline(time.Now().Add(c.patience)) // CloseWrite has ended the time for writing
	c.lines.Reset(c.Conn)
	if errno := c.Errno(c.Reply()); errno != wasi.OK {
		c.T.Fatalf("%v, not OK", errno)
	}
	c.life() // what was sent under TLS behind the call must not be obeyed before it
}

// certificate is one that nobody trusts.
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

// expand is what a whole zlib stream has, "" for anything else.
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
