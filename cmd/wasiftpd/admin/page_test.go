package admin

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/host"
)

// One sampler serves all who look, and rests when nobody does. What it still has to say then is
// for nobody.
func TestLiveRestsWhenNobodyLooks(t *testing.T) {
	t.Parallel()
	var l live
	type sampler struct {
		ctx  context.Context
		tell func([]byte)
	}
	begun := make(chan sampler, 2)
	sample := func(ctx context.Context, tell func([]byte)) { begun <- sampler{ctx, tell} }
	l.enter(sample)
	l.enter(sample)
	first := <-begun
	message, next := l.now()
	assert.Nil(t, message)
	first.tell([]byte("1"))
	<-next
	message, _ = l.now()
	assert.Equal(t, "1", string(message))
	l.leave()
	require.NoError(t, first.ctx.Err())
	l.leave()
	require.Error(t, first.ctx.Err())
	l.enter(sample)
	second := <-begun
	first.tell([]byte("2"))
	message, _ = l.now()
	assert.Nil(t, message)
	second.tell([]byte("3"))
	message, _ = l.now()
	assert.Equal(t, "3", string(message))
}

// Of very many sessions those are seen that do something, and the latest others.
func TestShownSessions(t *testing.T) {
	t.Parallel()
	var open []host.Session
	for n := range uint64(mostShown + 100) {
		one := host.Session{Number: n + 1}
		if n == 5 {
			one.Doing = "upload"
		}
		open = append(open, one)
	}
	all := shown(open)
	require.Len(t, all, mostShown)
	assert.Equal(t, uint64(6), all[0].Number)
	assert.Equal(t, uint64(102), all[1].Number)
	assert.Equal(t, uint64(mostShown+100), all[mostShown-1].Number)
}

// Equal values in a row cost two points of the drawing, which is an hour wide.
func TestPlot(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var r Rates
	for n := range 6 {
		r.Points = append(r.Points, Point{Time: now.Add(time.Duration(n-5) * 6 * time.Minute), Sent: float64(min(n, 3)) * 1000})
	}
	p := plotOf(r, now)
	assert.InDelta(t, 4096, p.Top, 0)
	assert.Equal(t, "M360.0 100.0L432.0 75.6L504.0 51.2L576.0 26.8L720.0 26.8", p.Sent.Line)
	assert.Equal(t, p.Sent.Line+"L720.0 100L360.0 100Z", p.Sent.Area)
	assert.InDelta(t, 3000, p.Sent.Last, 0)
	assert.Equal(t, "M360.0 100.0L720.0 100.0", p.Received.Line)
	assert.Empty(t, plotOf(Rates{}, now).Sent.Area)
}

// The oldest visit ends for one too many.
func TestVisitsAreBounded(t *testing.T) {
	t.Parallel()
	token := Token{Name: "ann", Hash: [32]byte{1}}
	s := New(Config{Tokens: func() Tokens { return Tokens{token} }})
	now := time.Now()
	var cookies []string
	for n := range mostVisits + 1 {
		cookies = append(cookies, s.logins.begin(token, now.Add(time.Duration(n)*time.Second)))
	}
	for n, good := range map[int]bool{0: false, 1: true, mostVisits: true} {
		_, ok := s.visitor(cookies[n])
		assert.Equal(t, good, ok, n)
	}
	_, ok := s.visitor(s.logins.begin(token, now.Add(-visitTime)))
	assert.False(t, ok, "it is over")
}

func TestClean(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "a b\ufffdc\ufffd\ufffdd", clean("a b\u202ec\n\xffd"))
}
