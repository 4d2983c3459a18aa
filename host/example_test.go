package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
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
