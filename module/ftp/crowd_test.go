package ftp_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

// member is a session of a crowd with a data connection of its own.
type member struct {
	*ftptest.Client
	data *ftptest.Data
	got  strings.Builder
}

// crowd logs many sessions in, which may only read.
func crowd(t *testing.T, w *ftptest.World, sessions int) []*member {
	t.Helper()
	members := make([]*member, sessions)
	for i := range members {
		members[i] = &member{Client: w.LoginAs("ro", "p")}
		members[i].Codes()
	}
	return members
}

// asks opens a data connection and sends a command for a listing.
func (m *member) asks(w *ftptest.World, command string) {
	m.data = w.DialData(m.Passive("PASV"))
	m.got.Reset()
	m.Send(command + "\r\n")
}

// reads takes what has come on the data connection.
func (m *member) reads() { m.got.WriteString(m.data.Read()) }

// TestThreat35Patterns: however costly the patterns of a crowd are, a step of the engine
// is short, and another session soon has its turn.
func TestThreat35Patterns(t *testing.T) {
	t.Parallel()
	w, other := login(t)
	for i := range 300 {
		w.Put(fmt.Sprintf("%s%03d", strings.Repeat("a", 250), i), "")
	}
	members := crowd(t, w, 98)
	for _, p := range []struct{ pattern, codes string }{
		{"*" + strings.Repeat("[", 3900), "501"},
		{"*/" + strings.Repeat("?", 600) + "/*", "501"},
		{"*" + strings.Repeat("[", 500) + "b", "150 226"},
		{"*[" + strings.Repeat("c", 500) + "]b", "150 451"},
		{"*" + strings.Repeat("?", 120) + "b", "150 451"},
		{"*" + strings.Repeat("a", 125) + "b", "150 451"},
	} {
		for _, m := range members {
			m.asks(w, "NLST "+p.pattern)
		}
		lists := func(m *member) bool { return ftp.ListingSize(w.Engine, m.Handle) > 0 }
		waited, longest, most := 0, 0, 0
		other.Send("NOOP\r\n")
		for w.Round() {
			most = max(most, ftp.WorkOfStep(w.Engine))
			if waited++; waited > 2*len(members) {
				break
			}
			if other.Reply() != "" {
				longest, waited = max(longest, waited), 0
				if slices.ContainsFunc(members, lists) {
					other.Send("NOOP\r\n")
				}
			}
		}
		other.Codes()
		assert.LessOrEqual(t, longest, len(members)/ftp.MostTurns+5, "%.10s", p.pattern)
		assert.LessOrEqual(t, most, 2*ftp.MostWork, "%.10s", p.pattern)
		for _, m := range members {
			require.Equal(t, p.codes, m.Codes(), "%.10s", p.pattern)
		}
	}
}

// TestThreat35LongNames: a long prefix before each name does not make a listing large,
// and the listings of a crowd together stay within the engine's limit.
func TestThreat35LongNames(t *testing.T) {
	t.Parallel()
	w, _ := login(t)
	w.Room, w.Page = 1000, 800
	const files = 1500
	for i := range files {
		w.Put(fmt.Sprintf("many/%04d", i), "").ModTime = int64(i * 7919 % files)
	}
	w.Mkfolder("many")
	for i := range 500 {
		w.Mkfolder(fmt.Sprintf("tree/%s%04d", strings.Repeat("n", 240), i))
	}
	w.Mkfolder("tree")
	for _, command := range []string{
		"NLST " + strings.Repeat("./", 2000) + "many", "LIST -R tree", "STAT -t many",
	} {
		members := crowd(t, w, 200)
		for _, m := range members {
			m.asks(w, command)
		}
		w.Run()
		sum := 0
		for _, m := range members {
			size := ftp.ListingSize(w.Engine, m.Handle)
			assert.Less(t, size, 1<<20, command)
			sum += size
		}
		assert.Greater(t, sum, len(members)<<10, command)
		assert.LessOrEqual(t, sum, ftp.MemoryOfListings(w.Engine), command)
		assert.Less(t, ftp.MemoryOfListings(w.Engine), ftp.MostMemory*2/3, command)
		for _, m := range members {
			assert.False(t, m.Closed(), command)
			m.Drop()
		}
		w.Run()
	}
	assert.Zero(t, ftp.MemoryOfListings(w.Engine))
}

// TestThreat35TooManyListings: when the memory for listings is used up, a listing is
// refused; it is accepted again when another has ended.
func TestThreat35TooManyListings(t *testing.T) {
	t.Parallel()
	w, other := login(t)
	w.Room = 100
	for i := range 50 {
		w.Put(fmt.Sprintf("many/%04d", i), "")
	}
	w.Mkfolder("many")
	members := crowd(t, w, ftp.LeastLists)
	for _, m := range members {
		m.asks(w, "NLST many")
	}
	w.Run()
	_, codes := other.Get("NLST sub")
	assert.Equal(t, "450", codes)
	assert.Equal(t, "450", other.Code("STAT sub"))
	assert.Equal(t, "213", w.LoginAs("u", "p").Code("SIZE hello.txt"))
	members[0].data.Drop()
	w.Run()
	_, codes = other.Get("NLST sub")
	assert.Equal(t, "150 226", codes)
}

// TestListingsThatRest: a listing that rests in the middle of a page, for others beside
// it or for its client, goes on where it stopped.
func TestListingsThatRest(t *testing.T) {
	t.Parallel()
	for _, async := range []uint64{0, 1, 2} {
		w, _ := login(t)
		w.Page, w.Room = 700, 50_000
		if async > 0 {
			w.Async = rand.New(rand.NewPCG(async, 2))
		}
		const files = 1500
		for i := range files {
			w.Put(fmt.Sprintf("many/%04d", i), "")
		}
		w.Mkfolder("many")
		members := crowd(t, w, 5)
		prefix := strings.Repeat("./", 1000)
		for i, command := range []string{
			"NLST " + prefix + "many", "LIST -R many", "MLSD many", "NLST -r many/*", "NLST " + prefix + "m*/*[0-4]",
		} {
			members[i].asks(w, command)
		}
		for range 100 {
			w.Run()
			for _, m := range members {
				m.reads()
			}
		}
		for i, want := range []int{files, files, files, files, files / 2} {
			assert.Equal(t, want, strings.Count(members[i].got.String(), "\n"))
			assert.Equal(t, "150 226", members[i].Codes())
		}
		lines := strings.Split(members[0].got.String(), "\r\n")
		for i, line := range lines[:files] {
			assert.Equal(t, fmt.Sprintf("%smany/%04d", prefix, i), line)
		}
	}
}
