package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"wasiftp/host"
)

// httpSource asks a URL.
type httpSource struct {
	url    *url.URL
	client *http.Client
	turns  *checks
}

// httpAtATime is how many requests are under way at a time.
const httpAtATime = 32

func (s *sourceOptions) addURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" { // not repeated: it may hold a password
		return errors.New("it is no URL such as https://accounts.example.org/login")
	}
	s.given = append(s.given, sourceOption{url: text})
	return nil
}

func newHTTPSource(text string, o *options, logger *slog.Logger) *httpSource {
	u, _ := url.Parse(text) // as addURL did
	if u.Scheme == "http" && !isLocal(u.Hostname()) {
		logger.Warn("passwords go to --auth-http in the clear; give it a URL that begins with https", "url", u.Redacted())
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = httpAtATime
	return &httpSource{
		url: u, turns: newTurns(httpAtATime),
		client: &http.Client{
			Transport: transport, Timeout: o.sources.timeout,
			// Elsewhere nobody is to get the password.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func isLocal(name string) bool {
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && addr.IsLoopback()
}

func (h *httpSource) label() string { return h.url.Redacted() }

func (h *httpSource) verify(ctx context.Context, login host.Login) (a answer, err error) {
	asked, err := questionOf(login)
	if err != nil {
		return a, err
	}
	from := network(login.Client.Addr())
	if err := h.turns.Enter(ctx, from); err != nil {
		return a, err
	}
	defer h.turns.Leave(from)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url.String(), bytes.NewReader(asked))
	if err != nil {
		return a, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "wasiftpd")
	response, err := h.client.Do(request)
	if err != nil {
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			err = fmt.Errorf("no answer within %v", h.client.Timeout)
		}
		return a, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return a, fmt.Errorf("it answers with status %d, not 200", response.StatusCode)
	}
	said, err := io.ReadAll(io.LimitReader(response.Body, maxVerdict))
	if err != nil {
		return a, err
	}
	return readVerdict(said, login.User)
}
