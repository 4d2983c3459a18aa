package main

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"wasiftp/host"
	"wasiftp/host/events"
)

// hooks are the hooks of a server.
type hooks struct {
	current atomic.Pointer[[]*hook]
	source  string         // names this server in events
	on      bool           // the server asks the hooks
	outbox  *events.Outbox // of the hooks that are told afterwards; nil for none
}

// open makes what hooks need, while the process may open all files. Without hooks the server
// asks nobody, nor waits for a spool.
func (h *hooks) open(o *options, state *state, logger *slog.Logger) error {
	h.source, h.on = "/wasiftpd", len(o.hooks) > 0
	h.current.Store(&o.hooks)
	if name, err := os.Hostname(); err == nil {
		h.source += "/" + url.PathEscape(name)
	}
	if !slices.ContainsFunc(o.hooks, (*hook).told) {
		return nil
	}
	dir, err := state.open()
	if err == nil {
		var spool *events.FolderSpool
		if spool, err = events.OpenSpool(dir, o.sync); err == nil {
			h.outbox = events.NewOutbox(events.Config{Spool: spool, Source: h.source, Logger: logger, Hooks: listeners(o.hooks)})
		}
	}
	if err != nil {
		return blame("state-dir", state.given, err)
	}
	return nil
}

// told says whether the hook is told of events afterwards.
func (h *hook) told() bool { return !h.wait }

// listeners are the hooks that are told afterwards, for the outbox.
func listeners(all []*hook) (told []events.Hook) {
	for _, h := range all {
		if h.wait {
			continue
		}
		told = append(told, events.Hook{
			Name: h.name, Parallel: h.parallel, Timeout: h.timeout + dyingTime,
			Wants: func(e host.Event) bool { return h.concerns(events.Word(e.Kind), e.User, e.Path, e.To) },
			Tell: func(ctx context.Context, _ string, event []byte) error {
				if f := h.tell(ctx, event, nil); f != nil {
					return f
				}
				return nil
			},
		})
	}
	return told
}

// replaceable says whether the server can go on with other hooks without a restart.
func (h *hooks) replaceable(next []*hook) bool {
	return (h.on || len(next) == 0) && (h.outbox != nil || !slices.ContainsFunc(next, (*hook).told))
}

func (h *hooks) replace(next []*hook) {
	h.current.Store(&next)
	if h.outbox != nil {
		h.outbox.SetHooks(listeners(next))
	}
}

// endTime is how long the end of the server waits for hooks that are being told of events.
const endTime = 5 * time.Second

func (h *hooks) close(logger *slog.Logger) {
	if h.outbox == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if err := h.outbox.Close(ctx); err != nil {
		logger.Error("hooks", "err", err)
	}
}

// serve has the server ask the hooks and tell them.
func (h *hooks) serve(config *host.Config) {
	if h.outbox != nil {
		log := config.Observer
		config.SyncObserver = true
		config.Observer = host.ObserverFunc(func(e host.Event) {
			h.outbox.Observe(e)
			log.Observe(e)
		})
	}
	if !h.on {
		return
	}
	config.Hooks = host.Hooks{
		Login: func(ctx context.Context, s host.Session) error {
			return h.ask(ctx, "login", s, events.About(s), nil, 530)
		},
		BeforeUpload: h.beforeUpload,
		BeforeDownload: func(ctx context.Context, s host.Session, d host.Download) error {
			about := events.About(s)
			about.Name(s.Folder, d.Path, d.To)
			return h.ask(ctx, "download", s, about, nil, 550)
		},
		BeforeChange: func(ctx context.Context, s host.Session, c host.Change) error {
			about := events.About(s)
			about.Name(s.Folder, c.Path, c.To)
			about.Change = c.Kind.String()
			code := 550
			if c.To != "" {
				code = 553
			}
			return h.ask(ctx, changeWords[c.Kind], s, about, nil, code)
		},
		BeforeCommit: func(ctx context.Context, s host.Session, u host.Upload) error {
			about := events.About(s)
			about.Name(s.Folder, u.Path, "")
			about.Bytes = &u.Bytes
			return h.ask(ctx, "upload", s, about, u.Open, 553)
		},
	}
}

// changeWords are the events that a question about a change is one of.
var changeWords = map[host.ChangeKind]string{
	host.ChangeMkdir: "mkdir", host.ChangeLink: "link", host.ChangeDelete: "delete", host.ChangeRmdir: "delete",
	host.ChangeRmtree: "delete", host.ChangeRename: "rename", host.ChangeTime: "change", host.ChangeMode: "change",
	host.ChangeCopy: "copy",
}

// beforeUpload refuses an upload that would change a file in place before a hook is asked
// about it: what the client has sent when it breaks off would stay there, unasked.
func (h *hooks) beforeUpload(_ context.Context, s host.Session, u host.Upload) error {
	if !u.Append && u.Offset == 0 {
		return nil
	}
	for _, one := range *h.current.Load() {
		if one.wait && one.concerns("upload", s.Account, u.Path) {
			return host.Refuse(553, "Files are checked as a whole here: upload the whole file, not a part of it.")
		}
	}
	return nil
}

// ask asks the hooks that wait for an answer, in order, until one refuses. content opens an
// upload; nil is none.
func (h *hooks) ask(ctx context.Context, word string, s host.Session, about events.Data, content func() (io.ReadCloser, error),
	permanent int) error {
	about.Wait = true
	question := func(readable bool) []byte {
		if readable {
			about.Content = 3
		} else {
			about.Content = 0
		}
		return events.Encode(rand.Text(), h.source, word, time.Now(), about)
	}
	for _, one := range *h.current.Load() {
		if !one.wait || !one.concerns(word, s.Account, about.Path, about.To) {
			continue
		}
		if err := one.ask(ctx, question, s.Account, content, permanent); err != nil {
			return err
		}
	}
	return nil
}

// asksOfUploads says whether a hook is asked about uploads. Then they are hidden until it has
// answered.
func (o *options) asksOfUploads() bool {
	return slices.ContainsFunc(o.hooks, func(h *hook) bool { return h.wait && slices.Contains(h.on, "upload") })
}
