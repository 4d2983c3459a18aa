package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"wasiftp/host"
	"wasiftp/host/events"
	"wasiftp/host/turns"
)

// hook is a program or a URL that is asked before something happens, or told afterwards.
type hook struct {
	name     string
	on       []string // words of [events.Word]
	run      []string
	url      *url.URL // nil for a program
	headers  http.Header
	wait     bool
	timeout  time.Duration
	parallel int
	users    []string // patterns; nil is all
	paths    []string // likewise
	place    string   // in the configuration

	client *http.Client
	turns  *turns.Queue[string] // of those who wait for an answer, by user
}

const (
	hookTimeout  = 30 * time.Second
	hookParallel = 4

	// waitingForHook is how many sessions may wait for a place at a hook. Further ones are
	// refused for now.
	waitingForHook = 1000
)

// ready makes what the hook needs to be asked.
func (h *hook) ready() {
	h.timeout, h.parallel = cmp.Or(h.timeout, hookTimeout), cmp.Or(h.parallel, hookParallel)
	h.turns = &turns.Queue[string]{Places: h.parallel, Waiting: waitingForHook}
	if h.url != nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = h.parallel
		h.client = &http.Client{
			Transport: transport, Timeout: h.timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
}

// concerns says whether a hook is for what a user does with the files of these names.
func (h *hook) concerns(word, user string, names ...string) bool {
	return slices.Contains(h.on, word) && (h.users == nil || slices.ContainsFunc(h.users, func(pattern string) bool {
		return doublestar.MatchUnvalidated(pattern, user)
	})) && (h.paths == nil || slices.ContainsFunc(names, h.selects))
}

// selects says whether a path, or a folder that it is in, matches a pattern of the hook.
func (h *hook) selects(path string) bool {
	return slices.ContainsFunc(h.paths, func(pattern string) bool {
		return doublestar.MatchUnvalidated(pattern, path) || doublestar.MatchUnvalidated(strings.TrimSuffix(pattern, "/")+"/**", path)
	})
}

// failure is the error of a hook that can't tell, or will not now: temporary says that the
// client may try again.
type failure struct {
	error
	text string // the first line of its answer
	busy bool   // it says itself that it can't tell now
}

func (f *failure) Unwrap() error { return f.error }

// tell gives an event to the hook, with the upload's content if there is one.
func (h *hook) tell(ctx context.Context, event []byte, content *os.File) *failure {
	if h.url != nil {
		return h.post(ctx, event)
	}
	c := child{argv: h.run, timeout: h.timeout}
	said, err := c.run(ctx, append(event, '\n'), content)
	if err == nil {
		return nil
	}
	f := &failure{error: err, busy: true}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
		f.text, f.busy = firstLine(said), exit.ExitCode() == exitTemporary
	}
	return f
}

// exitTemporary is the exit code of a program that wants to be asked again later: EX_TEMPFAIL
// of sysexits.h.
const exitTemporary = 75

// firstLine is the first line of an answer. The server cuts it to the length of a reply.
func firstLine(said []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(said), []byte("\n"))
	return string(line)
}

func (h *hook) post(ctx context.Context, event []byte) *failure {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url.String(), bytes.NewReader(event))
	if err != nil {
		return &failure{error: err, busy: true}
	}
	request.Header = h.headers.Clone()
	if request.Header == nil {
		request.Header = http.Header{}
	}
	request.Header.Set("Content-Type", events.ContentType)
	request.Header.Set("User-Agent", "wasiftpd")
	response, err := h.client.Do(request)
	if err != nil {
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			err = fmt.Errorf("no answer within %v", h.timeout)
		} else if at := (*url.Error)(nil); errors.As(err, &at) {
			err = at.Err // without the URL, which may hold a password
		}
		return &failure{error: err, busy: true}
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, maxVerdict))
	if response.StatusCode/100 == 2 {
		return nil
	}
	f := &failure{error: fmt.Errorf("it answers with status %d", response.StatusCode), busy: true}
	if html := strings.HasPrefix(response.Header.Get("Content-Type"), "text/html"); err == nil && !html {
		f.text = firstLine(said)
	}
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusRequestTimeout:
	default:
		f.busy = response.StatusCode/100 != 4
	}
	return f
}

// refusedByHook is the refusal of a hook. The log tells the cause, and the client a text.
type refusedByHook struct {
	name         string
	cause, reply error
}

func (r *refusedByHook) Error() string { return fmt.Sprintf("hook %s: %v", r.name, r.cause) }
func (r *refusedByHook) Unwrap() error { return r.reply }

// refusal is the error by which a failure of the hook refuses: with the code permanent, or
// with 451 if the client may try again.
func (h *hook) refusal(f *failure, permanent int) error {
	code, text := permanent, f.text
	if f.busy {
		code, text = 451, cmp.Or(f.text, "This can't be checked now; try again later.")
	}
	cause := f.error
	if f.text != "" {
		cause = fmt.Errorf("%w: %.200q", cause, f.text)
	}
	return &refusedByHook{h.name, cause, host.Refuse(code, text)}
}

// ask asks the hook, when it is the user's turn. content opens the upload in question; nil is
// none.
func (h *hook) ask(ctx context.Context, question func(content bool) []byte, user string, content func() (io.ReadCloser, error),
	permanent int) error {
	if err := h.turns.Enter(ctx, user); err != nil {
		return h.refusal(&failure{error: err, busy: true}, permanent)
	}
	defer h.turns.Leave(user)
	if h.url != nil || content == nil {
		return h.verdict(ctx, question(false), nil, permanent)
	}
	file, done, err := descriptor(content)
	if err != nil {
		return h.refusal(&failure{error: fmt.Errorf("the upload can't be read: %w", err), busy: true}, permanent)
	}
	defer done()
	return h.verdict(ctx, question(true), file, permanent)
}

func (h *hook) verdict(ctx context.Context, question []byte, content *os.File, permanent int) error {
	if f := h.tell(ctx, question, content); f != nil {
		return h.refusal(f, permanent)
	}
	return nil
}

// descriptor opens an upload for a program: the file itself or, if the storage has none, a
// pipe.
func descriptor(open func() (io.ReadCloser, error)) (content *os.File, done func(), err error) {
	reader, err := open()
	if err != nil {
		return nil, nil, err
	}
	if file, ok := reader.(*os.File); ok {
		return file, func() { file.Close() }, nil
	}
	content, to, err := os.Pipe()
	if err != nil {
		reader.Close()
		return nil, nil, err
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		io.Copy(to, reader)
		to.Close()
	}()
	return content, func() {
		content.Close() // ends the copy
		<-copied
		reader.Close()
	}, nil
}
