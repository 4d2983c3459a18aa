package hostile

import (
	"context"
	"io/fs"
	"testing"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/host/quota"
	"wasiftp/wasi"
)

// A guest that uploads many files at once, commits and aborts them as it likes, and removes
// and renames them meanwhile stores no more than the quota.
func TestThreat46Quota(t *testing.T) {
	t.Parallel()
	const limit, uploads = 100 << 10, 6
	store, err := quota.Open(t.TempDir(), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s := newGuestStage(t, func(c *host.Config) {
		before := c.Authenticator
		c.Authenticator = host.AuthenticatorFunc(func(ctx context.Context, l host.Login) (*host.Account, error) {
			account, err := before.Authenticate(ctx, l)
			if err != nil {
				return nil, err
			}
			account.Quota, err = store.Account("user", quota.Limits{Bytes: limit, Files: 20}, func() (fs.FS, func() error, error) {
				return account.FS, func() error { return nil }, nil
			})
			return account, err
		})
	})
	p := s.puppet()
	p.login()
	refused := 0
	for round := range 4 {
		var opened []uint64
		for n := range uint64(uploads) {
			data, client := p.Data()
			file := p.Open(string(rune('a'+n)), wasi.OpenWrite|wasi.OpenTruncate, 0)
			p.Must(wasi.TransferStart, file, data, 0, 0)
			opened = append(opened, file)
			go func() {
				client.Write(make([]byte, limit/3))
				client.CloseWrite()
			}()
		}
		p.Named(wasi.FileRemove, "a", wasi.RemoveFile)
		for n, file := range opened {
			if event := p.Event(wasi.EventTransfer, file); event.Errno == wasi.EDQUOT {
				refused++
			}
			if n%2 == round%2 {
				p.Call(wasi.FileCommit, file)
			} else {
				p.Raw(wasi.HandleClose, file)
			}
		}
		found, err := fsbridge.Measure(t.Context(), s.files)
		if err != nil || found.Bytes > limit || found.Files > 20 {
			t.Errorf("there are %+v, %v", found, err)
		}
	}
	if refused == 0 {
		t.Error("no upload met the quota")
	}
	for name := range uint64(26) {
		p.Named(wasi.FileMake, "dir"+string(rune('a'+name)), 0, 0)
	}
	if found, err := fsbridge.Measure(t.Context(), s.files); err != nil || found.Files > 20 {
		t.Errorf("there are %+v, %v", found, err)
	}
	p.lives()
}
