package tests

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/host/quota"
	"wasiftp/tests/script"
)

// quotaSite is a server whose account u has a quota.
type quotaSite struct {
	t       *testing.T
	files   fs.FS
	account *quota.Account
	limits  quota.Limits
	network script.Network
}

// eachQuotaSite runs a test with each kind of storage.
func eachQuotaSite(t *testing.T, limits quota.Limits, test func(t *testing.T, s quotaSite)) {
	t.Parallel()
	dir := func(parent string, options fsbridge.DirOptions) func(t *testing.T) fs.FS {
		return func(t *testing.T) fs.FS {
			root, err := os.MkdirTemp(parent, "quota")
			if err != nil {
				root = t.TempDir()
			}
			t.Cleanup(func() { os.RemoveAll(root) })
			d, err := fsbridge.OpenDir(root, options)
			require.NoError(t, err)
			t.Cleanup(func() { d.Close() })
			return d
		}
	}
	for name, open := range map[string]func(t *testing.T) fs.FS{
		"folder": dir("", fsbridge.DirOptions{}), "folder in memory": dir("/dev/shm", fsbridge.DirOptions{}),
		"hidden uploads": dir("", fsbridge.DirOptions{Atomic: true}), "memory": func(*testing.T) fs.FS { return fsbridge.NewMemory() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := quotaSite{t: t, files: open(t), limits: limits}
			store, err := quota.Open(t.TempDir(), func(err error) { t.Error(err) })
			require.NoError(t, err)
			t.Cleanup(func() { store.Close() })
			s.account, err = store.Account("u", limits, func() (fs.FS, func() error, error) {
				return s.files, func() error { return nil }, nil
			})
			require.NoError(t, err)
			eventually(t, "what is there is counted", s.account.Counted)
			_, s.network = serve(t, host.Config{Allow: allowed,
				Authenticator: host.AuthenticatorFunc(func(context.Context, host.Login) (*host.Account, error) {
					return &host.Account{FS: s.files, Rights: host.ReadWrite, Quota: s.account}, nil
				})})
			test(t, s)
		})
	}
}

func (s quotaSite) there() fsbridge.Usage {
	s.t.Helper()
	found, err := fsbridge.Measure(s.t.Context(), s.files)
	require.NoError(s.t, err)
	return found
}

// counts checks that what is counted is what is there, to the byte, and that nothing is
// reserved. An upload that failed is closed soon after its reply.
func (s quotaSite) counts(what string) {
	s.t.Helper()
	var found, counted fsbridge.Usage
	var left int64
	eventually(s.t, what, func() bool {
		found, counted = s.there(), s.account.Usage()
		left, _ = s.account.Left()
		if counted == found && left == s.limits.Bytes-found.Bytes {
			return true
		}
		s.t.Logf("%s: there are %+v, %+v are counted, %d bytes are left", what, found, counted, left)
		return false
	})
}

func deflated(content string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write([]byte(content))
	w.Close()
	return b.String()
}

// Each verb that changes what is there is counted.
func TestQuotaOfEachVerb(t *testing.T) {
	eachQuotaSite(t, quota.Limits{Bytes: 10 << 20, Files: 1000}, func(t *testing.T, s quotaSite) {
		_, memory := s.files.(*fsbridge.Memory)
		c := login(t, s.network, "u")
		for _, step := range []struct {
			line    string
			code    int
			content string // of an upload; "" is none
		}{
			{"STOR a", 226, strings.Repeat("x", 5000)}, {"STOR a", 226, strings.Repeat("x", 200_000)}, {"STOR a", 226, "small"},
			{"APPE a", 226, strings.Repeat("y", 400)}, {"APPE new", 226, "1234567"}, {"REST 100", 350, ""},
			{"STOR a", 226, strings.Repeat("z", 50)}, {"REST 300", 350, ""}, {"STOR a", 226, strings.Repeat("z", 1000)},
			{"STOU", 226, strings.Repeat("u", 70_000)}, {"TYPE A", 200, ""}, {"STOR ascii", 226, "a\r\nb\r\n"}, {"TYPE I", 200, ""},
			{"MODE Z", 200, ""}, {"STOR packed", 226, deflated(strings.Repeat("p", 100_000))},
			{"STOR packed", 226, deflated(strings.Repeat("q", 300))}, {"MODE S", 200, ""},
			{"MKD dir", 257, ""}, {"MKD dir", 550, ""}, {"MKD dir/below", 257, ""}, {"STOR dir/below/file", 226, "content"},
			{"SITE COPY a dir/copy", 250, ""}, {"SITE COPY packed dir/copy", 250, ""}, {"SITE CPFR a", 350, ""},
			{"SITE CPTO packed", 250, ""}, {"STOR part1", 226, "111"}, {"STOR part2", 226, "22"}, {"COMB whole part1 part2", 250, ""},
			{"STOR part1", 226, "3333"}, {"COMB whole part1", 250, ""}, {"RNFR whole", 350, ""}, {"RNTO dir/whole", 250, ""},
			{"RNFR dir/whole", 350, ""}, {"RNTO packed", 250, ""}, {"RNFR dir", 350, ""}, {"RNTO moved", 250, ""},
			{"SITE SYMLINK a link", 250, ""}, {"DELE link", 250, ""}, {"SITE SYMLINK a moved/link", 250, ""},
			{"MFMT 20200101000000 a", 213, ""}, {"DELE a", 250, ""}, {"DELE a", 550, ""}, {"SITE RMDIR moved", 250, ""},
			{"MKD empty", 257, ""}, {"RMD empty", 250, ""},
		} {
			if memory && strings.Contains(step.line, "link") {
				continue // it has none
			}
			if step.content != "" {
				require.Equal(t, step.code, c.store(step.line, step.content), step.line)
			} else {
				require.Equal(t, step.code, c.do(step.line), step.line)
			}
			s.counts(step.line)
		}
		assert.NotZero(t, s.there().Files)
	})
}

// What is there after an upload was given up is counted, too.
func TestQuotaOfGivenUpUploads(t *testing.T) {
	eachQuotaSite(t, quota.Limits{Bytes: 10 << 20, Files: 1000}, func(t *testing.T, s quotaSite) {
		c := login(t, s.network, "u")
		require.Equal(t, 226, c.store("STOR old", strings.Repeat("o", 3000)))
		for _, line := range []string{"STOR old", "APPE old", "STOR new", "STOU"} {
			for _, size := range []int{0, 10, 100_000} {
				d := c.data()
				require.Equal(t, 150, c.do(line))
				d.Write(make([]byte, size))
				require.Equal(t, 426, c.do("ABOR"))
				require.Equal(t, 226, c.reply().Code)
				d.Close()
				require.Equal(t, 200, c.do("NOOP"))
				s.counts(line)
			}
		}
		d := c.data()
		require.Equal(t, 150, c.do("STOR lost"))
		d.Write(make([]byte, 5000))
		c.control.Close()
		d.Close()
		s.counts("a lost session")
	})
}

// At the limit an upload fails with 552, and all else is as before.
func TestQuotaReached(t *testing.T) {
	const limit = 100_000
	eachQuotaSite(t, quota.Limits{Bytes: limit, Files: 4}, func(t *testing.T, s quotaSite) {
		inPlace := false
		if d, ok := s.files.(*fsbridge.Dir); ok {
			up, err := d.Create("probe", os.O_TRUNC, 0, nil)
			require.NoError(t, err)
			inPlace = fsbridge.InPlace(up)
			require.NoError(t, up.Abort())
		}
		old := strings.Repeat("o", 60_000)
		c := login(t, s.network, "u")
		require.Equal(t, 226, c.store("STOR old", old))
		assert.Equal(t, "40000", c.say("AVBL").Text())
		assert.Equal(t, 552, c.do("ALLO 40001"))
		for _, line := range []string{"STOR more", "APPE old", "STOU"} {
			assert.Equal(t, 552, c.store(line, strings.Repeat("m", 40_001)), line)
			s.counts(line)
			assert.LessOrEqual(t, s.there().Bytes, int64(limit), line)
			for _, name := range namesIn(t, s.files) {
				if name != "old" {
					require.Equal(t, 250, c.do("DELE "+name))
				}
			}
			got, _ := c.get("RETR old")
			require.True(t, bytes.HasPrefix(got, []byte(old)), "%s damaged it", line)
			require.Equal(t, 250, c.do("DELE old")) // what was appended has come in part
			require.Equal(t, 226, c.store("STOR old", old))
		}
		assert.Equal(t, 552, c.store("STOR old", strings.Repeat("n", limit+1)), "instead of the old one")
		s.counts("STOR old")
		if got, _ := c.get("RETR old"); !inPlace {
			assert.True(t, old == string(got), "an upload that nobody sees leaves the old one")
		}
		require.Equal(t, 250, c.do("DELE old"))
		require.Equal(t, 226, c.store("STOR old", old))
		assert.Equal(t, 552, c.do("SITE COPY old copy"))
		s.counts("SITE COPY")
		c.do("DELE copy")
		require.Equal(t, 200, c.do("MODE Z"))
		assert.Equal(t, 552, c.store("STOR packed", deflated(strings.Repeat("p", limit))))
		s.counts("MODE Z")
		require.Equal(t, 200, c.do("MODE S"))
		c.do("DELE packed")
		for _, name := range []string{"a", "b", "c"} {
			require.Equal(t, 257, c.do("MKD "+name))
		}
		for _, line := range []string{"MKD d", "STOR d", "STOU", "SITE COPY old d"} {
			code := 0
			if strings.HasPrefix(line, "STO") {
				code = c.store(line, "x")
			} else {
				code = c.do(line)
			}
			assert.Equal(t, 552, code, line)
			s.counts(line)
		}
		assert.Equal(t, "0", c.say("AVBL").Text())
		assert.EqualValues(t, 4, s.there().Files)
	})
}

func namesIn(t *testing.T, files fs.FS) (all []string) {
	t.Helper()
	entries, err := fs.ReadDir(files, ".")
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// quotaPlayer is a session that does what comes to its mind, with names of its own.
type quotaPlayer struct {
	*talk
	random *rand.Rand
	prefix string
	data   script.Conn // of an upload under way; nil for none
	done   map[string]int
}

func (p *quotaPlayer) name() string {
	return p.prefix + "/" + []string{"a", "b", "d/a", "d/b", "d"}[p.random.IntN(5)]
}

func (p *quotaPlayer) content() string { return strings.Repeat("x", p.random.IntN(60_000)) }

// step does one thing. An upload may take several of them, and then nothing else is done by
// its session.
func (p *quotaPlayer) step() {
	if p.data != nil {
		switch p.random.IntN(4) {
		case 0:
			p.data.Write([]byte(p.content()))
			return
		case 1:
			p.do("ABOR")
			if r := p.reply(); r.Code != 226 && r.Code != 225 {
				p.t.Errorf("ABOR: %v", r)
			}
			p.data.Close()
		default:
			p.data.Close()
			p.count("upload", p.reply().Code)
		}
		p.data = nil
		return
	}
	name, other := p.name(), p.name()
	switch kind := p.random.IntN(12); kind {
	case 0, 1, 2:
		p.count("upload", p.store("STOR "+name, p.content()))
	case 3:
		p.count("append", p.store("APPE "+name, p.content()))
	case 4:
		if p.do("REST "+decimal(p.random.IntN(5000))) == 350 {
			p.count("resumed", p.store("STOR "+name, p.content()))
		}
	case 5:
		d := p.talk.data()
		if p.do("STOR "+name) == 150 {
			p.data = d
		} else {
			d.Close()
		}
	case 6:
		p.count("delete", p.do("DELE "+name))
	case 7:
		if p.do("RNFR "+name) == 350 {
			p.count("rename", p.do("RNTO "+other))
		}
	case 8:
		p.count("copy", p.do("SITE COPY "+name+" "+other))
	case 9:
		p.count("comb", p.do("COMB "+name+" "+other))
	case 10:
		p.count("mkdir", p.do("MKD "+p.prefix+"/d"))
	case 11:
		p.count("rmtree", p.do("SITE RMDIR "+p.prefix+"/d"))
	}
}

func (p *quotaPlayer) count(what string, code int) {
	if code/100 == 2 {
		p.done[what]++
	} else if code == 552 {
		p.done["552"]++
	}
}

// end ends an upload that is under way.
func (p *quotaPlayer) end() {
	if p.data != nil {
		p.data.Close()
		p.reply()
		p.data = nil
	}
}

func (s quotaSite) players(n int, seed uint64) (all []*quotaPlayer) {
	s.t.Helper()
	for i := range n {
		p := &quotaPlayer{talk: login(s.t, s.network, "u"), random: rand.New(rand.NewPCG(seed, uint64(i))),
			prefix: string(rune('a' + i)), done: map[string]int{}}
		require.Equal(s.t, 257, p.do("MKD "+p.prefix))
		all = append(all, p)
	}
	return all
}

// Sessions that take turns at random do nothing that is counted wrong.
func TestQuotaOfRandomSteps(t *testing.T) {
	eachQuotaSite(t, quota.Limits{Bytes: 300_000, Files: 16}, func(t *testing.T, s quotaSite) {
		const seed, players, steps = 12, 3, 240
		all := s.players(players, seed)
		turns, done := rand.New(rand.NewPCG(seed, seed)), map[string]int{}
		for n := range steps {
			p := all[turns.IntN(players)]
			p.step()
			open := false
			for _, p := range all {
				open = open || p.data != nil
			}
			found := s.there()
			require.LessOrEqual(t, found.Bytes, s.limits.Bytes)
			require.LessOrEqual(t, found.Files, s.limits.Files)
			if !open {
				s.counts(fmt.Sprintf("step %d of seed %d", n, seed))
			}
		}
		for _, p := range all {
			p.end()
			for what, n := range p.done {
				done[what] += n
			}
		}
		s.counts("the end")
		for _, what := range []string{"upload", "append", "resumed", "delete", "rename", "copy", "comb", "mkdir", "rmtree", "552"} {
			assert.NotZero(t, done[what], what)
		}
	})
}

// Twenty sessions at once do not pass the limit together, and what they leave is counted to
// the byte.
func TestQuotaOfTwentySessions(t *testing.T) {
	eachQuotaSite(t, quota.Limits{Bytes: 1_000_000, Files: 70}, func(t *testing.T, s quotaSite) {
		var all sync.WaitGroup
		for _, p := range s.players(20, 7) {
			all.Go(func() {
				for range 25 {
					p.step()
					s.account.Lock() // or a file that is renamed meanwhile would be found twice
					found, err := fsbridge.Measure(t.Context(), s.files)
					s.account.Unlock()
					assert.NoError(t, err)
					assert.LessOrEqual(t, found.Bytes, s.limits.Bytes)
					assert.LessOrEqual(t, found.Files, s.limits.Files)
				}
				p.end()
			})
		}
		all.Wait()
		s.counts("the end")
	})
}
