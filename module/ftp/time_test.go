package ftp_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

// TestThreat32Time: times before 1970 and after 2106 are right, too.
func TestThreat32Time(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	times := []int64{0, -1, 1, math.MinInt64, math.MaxInt64, -86400e9, 951782400e9, 4102444799e9, 1 << 32 * 1e9}
	for range 20000 {
		times = append(times, int64(random.Uint64()))
	}
	for _, ns := range times {
		moment := time.Unix(0, ns).UTC()
		want := moment.Format("20060102150405")
		if moment.Nanosecond() >= 1e6 {
			want = moment.Format("20060102150405.000")
		}
		assert.Equal(t, want, string(ftp.AppendTime(nil, ns)))
		if moment.Year() > 1677 && moment.Year() < 2262 {
			back, ok := ftp.ParseTime([]byte(moment.Format("20060102150405.000000000")), false)
			assert.True(t, ok)
			assert.Equal(t, ns, back)
		}
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "2024", "2024010100000", "202401010000000", "20241301000000", "20240132000000",
		"20230229000000", "21000229000000", "20240101240000", "20240101006000", "20240101000061", "20240101000000.",
		"20240101000000.x", "2024010100000x", "-0240101000000", "00000101000000", "99990101000000", "202401010000"} {
		_, ok := ftp.ParseTime([]byte(text), false)
		assert.False(t, ok, text)
	}
	for text, want := range map[string]string{
		"20240229235959":     "2024-02-29T23:59:59Z",
		"20161231235960":     "2017-01-01T00:00:00Z", // the leap second is the second behind it
		"20000229000000.123": "2000-02-29T00:00:00.123Z",
		"19000228000000":     "1900-02-28T00:00:00Z",
		"202401020304":       "2024-01-02T03:04:00Z",
	} {
		ns, ok := ftp.ParseTime([]byte(text), true)
		assert.True(t, ok, text)
		assert.Equal(t, want, time.Unix(0, ns).UTC().Format(time.RFC3339Nano))
	}
}

func TestLsTime(t *testing.T) {
	t.Parallel()
	now := ftptest.Start // 2024-06-01 12:00
	at := func(text string) int64 {
		moment, err := time.Parse(time.DateTime, text)
		assert.NoError(t, err)
		return moment.UnixNano()
	}
	for text, want := range map[string]string{
		"2024-06-01 11:59:59": "Jun  1 11:59",
		"2024-01-12 05:06:07": "Jan 12 05:06",
		"2023-12-02 12:00:00": "Dec  2 12:00",
		"2023-11-30 00:00:00": "Nov 30  2023",
		"2024-06-01 12:00:01": "Jun  1  2024",
		"1969-12-31 23:59:59": "Dec 31  1969",
		"2200-01-01 00:00:00": "Jan  1  2200",
	} {
		assert.Equal(t, want, string(ftp.AppendLsTime(nil, at(text), 0, now)), text)
	}
	assert.Equal(t, "Sep 21  1677", string(ftp.AppendLsTime(nil, math.MinInt64, 0, now)))
}

// TestThreat32ClockBack: a clock that is set back does not undo time-outs.
func TestThreat32ClockBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ftp.Config{IdleTime: 10e9})
	c := w.LoginAs("u", "p")
	w.Advance(9e9)
	w.Now -= 1000e9
	assert.Equal(t, "200", c.Code("NOOP"))
	w.Now += 1000e9 + 11e9
	w.Run()
	assert.Equal(t, "421", c.Codes())
	assert.True(t, c.Closed())
}

func TestModificationTimes(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	w.Put("20200101000000 odd", "x")
	w.Put("two words", "x")
	year := func(name string) int { return time.Unix(0, w.Files[name].ModTime).UTC().Year() }
	assert.Equal(t, "213 20240601120000", c.Do("MDTM hello.txt"))
	assert.Equal(t, "550", c.Code("MDTM none"))
	assert.Equal(t, "213 20010203040506", c.Do("MDTM 20010203040506 hello.txt"))
	assert.Equal(t, "213 20010203040506", c.Do("MDTM hello.txt"))
	assert.Equal(t, "213 20020203040506.123", c.Do("MDTM 20020203040506.123 two words"))
	assert.Equal(t, "213 20240601120000", c.Do("MDTM 20200101000000 odd"))
	assert.Equal(t, "550", c.Code("MDTM 20200101000000 none"))
	assert.Equal(t, "213 Modify=20030203040506; two words", c.Do("MFMT 20030203040506 two words"))
	assert.Equal(t, "501", c.Code("MFMT hello.txt"))
	assert.Equal(t, "501", c.Code("MFMT 20030203040506"))
	assert.Equal(t, "550", c.Code("MFMT 20030203040506 none"))
	for i, line := range []string{"20100101000000 two words", "two words 20110101000000", "201201010000 two words",
		"two words 20000101000000 20130101000000 20000101000000 UTC"} {
		assert.Equal(t, "200", c.Code("SITE UTIME "+line), line)
		assert.Equal(t, 2010+i, year("two words"), line)
	}
	assert.Equal(t, "501", c.Code("SITE UTIME hello.txt"))
	assert.Equal(t, "501", c.Code("SITE UTIME 2010 hello.txt"))
}
