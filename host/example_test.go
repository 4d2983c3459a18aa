package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math"
	"net"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing/fstest"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// Embed a server: one account, one directory.
func Example() {
	dir, err := fsbridge.OpenDir(os.TempDir(), fsbridge.DirOptions{})
	if err != nil {
		log.Fatal(err)
	}
	server, err := host.New(host.Config{
		Authenticator: host.AuthenticatorFunc(func(_ context.Context, l host.Login) (*host.Account, error) {
			if l.User != "scanner" || l.Password.Reveal() != "secret" {
				return nil, host.ErrDenied
			}
			return &host.Account{FS: dir, Rights: host.ReadWrite}, nil
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := host.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(listener)
	fmt.Println("serving")
	server.Shutdown(context.Background())
	// Output: serving
}

// accounts is an Authenticator of one's own: a table, and a root for each.
type accounts map[string]struct {
	password string
	account  host.Account
}

func (a accounts) Authenticate(_ context.Context, l host.Login) (*host.Account, error) {
	known, ok := a[l.User]
	if !ok || known.password != l.Password.Reveal() {
		return nil, host.ErrDenied
	}
	return &known.account, nil
}

// Any [io/fs.FS] is a read-only file system; the rights say what an account may
// do with it.
func ExampleAuthenticator() {
	files := fstest.MapFS{"hello.txt": {Data: []byte("hello\n")}}
	auth := accounts{"reader": {"secret", host.Account{FS: files, Rights: host.ReadOnly, MaxSessions: 2}}}
	_, err := auth.Authenticate(context.Background(), host.Login{User: "reader", Password: "guess"})
	fmt.Println(errors.Is(err, host.ErrDenied))
	// Output: true
}

// inbox is a file system of one's own: a folder that is always empty, and takes
// uploads that nobody stores.
type inbox struct{ fs.FS }

func (inbox) Create(name string, _ int, _ int64, _ *fs.FileMode) (fsbridge.Upload, error) {
	return &letter{name: name}, nil
}

type letter struct {
	bytes.Buffer
	name string
}

func (l *letter) Commit() error {
	fmt.Printf("%s says %q\n", l.name, l.String())
	return nil
}

func (l *letter) Abort() error { return nil }

// A file system is what its methods say it is: this one takes uploads, and hands
// each on when it is complete.
func ExampleCreateFS() {
	var files fsbridge.CreateFS = inbox{fstest.MapFS{}}
	upload, err := files.Create("hello.txt", os.O_TRUNC, 0, nil)
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(upload, "good morning")
	upload.Commit()
	// Output: hello.txt says "good morning"
}

// A hook scans each upload before anybody can see it: Atomic hides it until it is committed.
func ExampleHooks() {
	root, err := os.MkdirTemp("", "scanned")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{Atomic: true})
	if err != nil {
		log.Fatal(err)
	}
	defer dir.Close()
	scan := func(_ context.Context, s host.Session, u host.Upload) error {
		file, err := u.Open()
		if err != nil {
			return err
		}
		defer file.Close()
		content, err := io.ReadAll(file)
		if bytes.Contains(content, []byte("virus")) {
			return host.Refuse(550, "A virus is in "+u.Path)
		}
		return err
	}
	server, address := serve(host.Config{
		Authenticator: accounts{"u": {"p", host.Account{FS: dir, Rights: host.ReadWrite}}},
		Hooks:         host.Hooks{BeforeCommit: scan},
	})
	defer server.Close()

	client := dial(address)
	defer client.Close()
	client.Cmd("USER u")
	client.Cmd("PASS p")
	client.Cmd("EPSV")
	var port string
	for _, code := range []int{220, 331, 230, 229} {
		_, text, err := client.ReadResponse(code)
		if err != nil {
			log.Fatal(err)
		}
		port = strings.Trim(text[strings.Index(text, "(")+1:], "|)")
	}
	client.Cmd("STOR letter.doc")
	data, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(data, "a virus")
	data.Close()
	client.ReadResponse(150)
	code, text, _ := client.ReadResponse(226)
	left, _ := os.ReadDir(root)
	fmt.Println(code, text)
	fmt.Println(len(left), "files")
	// Output:
	// 550 A virus is in /letter.doc
	// 0 files
}

// A hook files each upload under the name of the day and the number of its session, before
// anybody can see it.
func ExampleUpload_Rename() {
	files := fsbridge.NewMemory()
	server, address := serve(host.Config{
		Authenticator: accounts{"camera": {"p", host.Account{FS: files, Rights: host.WriteOnly}}},
		Hooks: host.Hooks{BeforeCommit: func(_ context.Context, s host.Session, u host.Upload) error {
			return u.Rename(fmt.Sprintf("/%s-%d%s", strings.TrimSuffix(u.Path[1:], ".jpg"), s.Number, ".jpg"))
		}},
	})
	defer server.Close()
	client := dial(address)
	defer client.Close()
	fmt.Println(store(client, "camera", "door.jpg", "a picture"))
	found, _ := fs.Glob(files, "*")
	fmt.Println(found)
	// Output:
	// 226
	// [door-1.jpg]
}

// store logs in with the password p, and uploads a file.
func store(client *textproto.Conn, user, name, content string) (code int) {
	for _, command := range []string{"USER " + user, "PASS p", "EPSV"} {
		client.Cmd("%s", command)
	}
	var port string
	for _, code := range []int{220, 331, 230, 229} {
		_, text, err := client.ReadResponse(code)
		if err != nil {
			log.Fatal(err)
		}
		port = strings.Trim(text[strings.Index(text, "(")+1:], "|)")
	}
	client.Cmd("STOR %s", name)
	data, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(data, content)
	data.Close()
	if code, _, err = client.ReadResponse(150); err == nil {
		code, _, _ = client.ReadResponse(226)
	}
	return code
}

// An account with rights to single folders, and a quota that other sessions of it share.
func ExampleAccount() {
	rules, err := fsbridge.CompileRules([]fsbridge.Rule{
		{Pattern: "/archive", Rights: host.ReadOnly},
		{Pattern: "/in", Rights: host.ReadWrite, MaxSize: 1 << 20},
	})
	if err != nil {
		log.Fatal(err)
	}
	files := fsbridge.NewMemory()
	for _, folder := range []string{"archive", "in"} {
		if err := files.Mkdir(folder, nil); err != nil {
			log.Fatal(err)
		}
	}
	server, address := serve(host.Config{
		Authenticator: accounts{"u": {"p", host.Account{FS: files, Rules: rules, Quota: &atMost{bytes: 10}}}},
	})
	defer server.Close()
	for _, name := range []string{"archive/a", "in/a", "in/b"} {
		client := dial(address)
		fmt.Println(name, store(client, "u", name, "8 bytes."))
		client.Close()
	}
	// Output:
	// archive/a 550
	// in/a 226
	// in/b 552
}

// atMost is a quota for the bytes of one account, which forgets them with the process.
type atMost struct {
	sync.Mutex
	mu    sync.Mutex
	bytes int64 // left
}

func (q *atMost) Reserve(bytes, _ int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if bytes > q.bytes {
		return syscall.EDQUOT
	}
	q.bytes -= bytes
	return nil
}

func (q *atMost) Release(bytes, _ int64) { q.Count(-bytes, 0) }

func (q *atMost) Count(bytes, _ int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= bytes
}

func (q *atMost) Left() (bytes, files int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes, math.MaxInt64
}

// An operator takes the right to write from an account, while its client is there.
func ExampleSession_SetAccount() {
	files := fsbridge.NewMemory()
	server, address := serve(host.Config{
		Authenticator: accounts{"u": {"p", host.Account{FS: files, Rights: host.ReadWrite}}},
	})
	defer server.Close()
	client := dial(address)
	defer client.Close()
	client.Cmd("USER u")
	client.Cmd("PASS p")
	for _, code := range []int{220, 331, 230} {
		client.ReadResponse(code)
	}
	for _, s := range server.Sessions() {
		err := s.SetAccount(&host.Account{FS: files, Rights: host.ReadOnly, Rates: host.Rates{Down: 1 << 20}})
		fmt.Println(s.Account, err)
	}
	client.Cmd("MKD folder")
	fmt.Println(client.ReadLine())
	// Output:
	// u <nil>
	// 550 Permission denied. <nil>
}

// serve runs a server on a port of this machine.
func serve(config host.Config) (server *host.Server, address string) {
	server, err := host.New(config)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := host.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(listener)
	return server, listener.Addr().String()
}

// dial is a client.
func dial(address string) *textproto.Conn {
	client, err := textproto.Dial("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	return client
}

// Who is there, and how to end a session.
func ExampleServer_Sessions() {
	server, address := serve(host.Config{
		Authenticator: accounts{"u": {"p", host.Account{FS: fstest.MapFS{}, Rights: host.ReadOnly}}},
	})
	defer server.Close()
	client := dial(address)
	defer client.Close()
	client.Cmd("USER u")
	client.Cmd("PASS p")
	for _, code := range []int{220, 331, 230} {
		client.ReadResponse(code)
	}
	for _, s := range server.Sessions() {
		fmt.Println(s.Number, s.Account, s.Client.Addr(), s.Doing == "")
		s.SetRights(0) // from the next command on
		s.Close("Come back after the maintenance.")
	}
	fmt.Println(client.ReadLine())
	// Output:
	// 1 u 127.0.0.1 true
	// 421 Come back after the maintenance. <nil>
}

// An Observer learns of every upload that is complete.
func ExampleObserver() {
	done := host.ObserverFunc(func(e host.Event) {
		if e.Kind == host.Uploaded {
			fmt.Printf("%s sent %q, %d bytes\n", e.User, e.Path, e.Bytes)
		}
	})
	done.Observe(host.Event{Kind: host.Uploaded, User: "camera", Path: "/1.jpg", Bytes: 1234})
	// Output: camera sent "/1.jpg", 1234 bytes
}
