package quota_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"os"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/host/quota"
)

// An account with a quota of 10 GiB and 100,000 files, whose counts are kept in a folder.
func Example() {
	state, err := os.MkdirTemp("", "quota")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(state)
	store, err := quota.Open(state, func(err error) { log.Print(err) })
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close() // after the server

	files := fsbridge.NewMemory()
	root := func() (fs.FS, func() error, error) { return files, func() error { return nil }, nil }
	server, err := host.New(host.Config{
		Authenticator: host.AuthenticatorFunc(func(_ context.Context, l host.Login) (*host.Account, error) {
			if l.User != "scanner" || l.Password.Reveal() != "secret" {
				return nil, host.ErrDenied
			}
			bound, err := store.Account(l.User, quota.Limits{Bytes: 10 << 30, Files: 100_000}, root)
			if err != nil {
				return nil, err
			}
			return &host.Account{FS: files, Rights: host.ReadWrite, Quota: bound}, nil
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	fmt.Println("serving")
	// Output: serving
}
