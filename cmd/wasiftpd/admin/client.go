package admin

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client speaks the API.
type Client struct {
	http  http.Client
	base  string
	token string
	what  string // names the server in errors
}

// ErrUnreachable begins errors of requests that no server has answered.
var ErrUnreachable = errors.New("no server answers")

// Refused is the error of a request that the server has refused.
type Refused struct {
	Status int // of HTTP
	Text   string
}

// Error implements error.
func (r *Refused) Error() string { return r.Text }

// Dial makes a client for the Unix socket of a server.
func Dial(socket string) *Client {
	return &Client{
		http: http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}},
		base: "http://wasiftpd", what: socket,
	}
}

// DialTLS makes a client for the URL of a server, as in https://ftp.example.org:8443.
func DialTLS(base, token string, config *tls.Config) *Client {
	return &Client{
		http: http.Client{Transport: &http.Transport{TLSClientConfig: config}},
		base: strings.TrimSuffix(base, "/"), token: token, what: base,
	}
}

// do makes a request, with values in its query, and reads the answer into a value.
func (c *Client) do(ctx context.Context, method, path string, values url.Values, into any) error {
	body, err := c.ask(ctx, method, path, values, "application/json")
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return c.foreign(err)
	}
	return nil
}

func (c *Client) ask(ctx context.Context, method, path string, values url.Values, accept string) (io.ReadCloser, error) {
	target := c.base + path
	if len(values) > 0 {
		target += "?" + values.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		switch {
		case errors.As(err, new(*tls.CertificateVerificationError)):
			return nil, fmt.Errorf("the server at %s does not prove who it is: %w", c.what, err)
		case errors.As(err, new(tls.RecordHeaderError)), strings.Contains(err.Error(), "malformed HTTP"):
			return nil, c.foreign(err)
		}
		return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, c.what, err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		var f Fault
		if json.NewDecoder(io.LimitReader(response.Body, maxBody)).Decode(&f) != nil || f.Error == "" {
			return nil, c.foreign(errors.New("its answer is " + response.Status))
		}
		return nil, &Refused{response.StatusCode, f.Error}
	}
	return response.Body, nil
}

// foreign is the error that another program answers.
func (c *Client) foreign(err error) error {
	return fmt.Errorf("what answers at %s is not the admin API of wasiftpd: %w", c.what, err)
}

// Status asks for the status.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.do(ctx, http.MethodGet, "/v1/status", nil, &s)
}

// Sessions asks for all sessions, by number.
func (c *Client) Sessions(ctx context.Context) (all []Session, err error) {
	return all, c.do(ctx, http.MethodGet, "/v1/sessions", nil, &all)
}

// Kick ends a session, and returns what it was. reason is for its client; "" is a usual one.
func (c *Client) Kick(ctx context.Context, id, reason string) (s Session, err error) {
	return s, c.do(ctx, http.MethodDelete, "/v1/sessions/"+url.PathEscape(id), given("reason", reason), &s)
}

// Users asks for the users.
func (c *Client) Users(ctx context.Context) (all []User, err error) {
	return all, c.do(ctx, http.MethodGet, "/v1/users", nil, &all)
}

// Lock keeps a user out until the next reload, or lets him in again.
func (c *Client) Lock(ctx context.Context, user string, locked bool) (l Lock, err error) {
	method := http.MethodDelete
	if locked {
		method = http.MethodPut
	}
	return l, c.do(ctx, method, "/v1/users/"+url.PathEscape(user)+"/lock", nil, &l)
}

// Bans asks for the bans that are in force.
func (c *Client) Bans(ctx context.Context) (all []Ban, err error) {
	return all, c.do(ctx, http.MethodGet, "/v1/bans", nil, &all)
}

// Ban bans a network, and returns all bans.
func (c *Client) Ban(ctx context.Context, network string, lasts time.Duration) (all []Ban, err error) {
	values := url.Values{"network": {network}, "for": {lasts.String()}}
	return all, c.do(ctx, http.MethodPost, "/v1/bans", values, &all)
}

// Unban ends the bans of a network, or of [Everybody].
func (c *Client) Unban(ctx context.Context, network string) (e Ended, err error) {
	return e, c.do(ctx, http.MethodDelete, "/v1/bans", url.Values{"network": {network}}, &e)
}

// Quotas asks for what users store.
func (c *Client) Quotas(ctx context.Context) (all []Quota, err error) {
	return all, c.do(ctx, http.MethodGet, "/v1/quotas", nil, &all)
}

// Reload loads all files again that have changed.
func (c *Client) Reload(ctx context.Context) (r Reload, err error) {
	return r, c.do(ctx, http.MethodPost, "/v1/reload", nil, &r)
}

// Drain has the server end. within "" is the time that it is configured for.
func (c *Client) Drain(ctx context.Context, within string) (d Drain, err error) {
	return d, c.do(ctx, http.MethodPost, "/v1/drain", given("for", within), &d)
}

// Health asks whether the server takes new sessions.
func (c *Client) Health(ctx context.Context) (h Health, err error) {
	return h, c.do(ctx, http.MethodGet, "/v1/health", nil, &h)
}

// Rates asks for the rates of the last hour.
func (c *Client) Rates(ctx context.Context) (r Rates, err error) {
	return r, c.do(ctx, http.MethodGet, "/v1/rates", nil, &r)
}

// Kept asks for the events that are kept, each a line of the log in JSON. values are as those of
// GET /v1/events.
func (c *Client) Kept(ctx context.Context, values url.Values) (all []json.RawMessage, err error) {
	return all, c.do(ctx, http.MethodGet, "/v1/events", values, &all)
}

// errSilent ends a stream of a server that hangs.
var errSilent = errors.New("the server has sent nothing for a while, not even that it is alive")

// Events calls tell with each event as it happens, a line of the log in JSON, until ctx ends or
// the server does. values are as those of GET /v1/events.
func (c *Client) Events(ctx context.Context, values url.Values, tell func(line string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(3*quiet, func() { cancel(errSilent) })
	defer silent.Stop()
	body, err := c.ask(ctx, http.MethodGet, "/v1/events", values, "text/event-stream")
	if err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		silent.Stop() // tell may take its time
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if err := tell(data); err != nil {
				return err
			}
		}
		silent.Reset(3 * quiet)
	}
	return cmp.Or(context.Cause(ctx), lines.Err())
}

// given is a query of one value, nil for "".
func given(name, value string) url.Values {
	if value == "" {
		return nil
	}
	return url.Values{name: {value}}
}
