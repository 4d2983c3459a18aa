package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

func (p *program) eventsCommand() *cobra.Command {
	var r reach
	var follow bool
	values := url.Values{}
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print the last events, or those to come",
		Long: "events prints the last 1,000 events of the server that runs, as lines of its log. With --follow it prints those\n" +
			"to come until Ctrl-C, and ends with exit code 1 if the server does.",
		Args: atMost(0),
		RunE: func(*cobra.Command, []string) error { return p.events(&r, values, follow) },
	}
	f := cmd.Flags()
	r.addTo(f)
	f.Lookup("json").Usage = "print a line of JSON for each"
	f.BoolVar(&follow, "follow", false, "print those to come")
	for _, filter := range []struct{ name, usage string }{
		{"level", "print those from `LEVEL` on: debug, info, warn or error (default info)"},
		{"user", "print those of the user `NAME`"},
		{"session", "print those of the session `ID`"},
		{"text", "print those whose line in JSON has `TEXT`, in capitals or not"},
	} {
		f.Func(filter.name, filter.usage, func(value string) error {
			values.Set(filter.name, value)
			return nil
		})
	}
	return cmd
}

func (p *program) events(r *reach, values url.Values, follow bool) error {
	c, err := p.dial(r)
	if err != nil {
		return err
	}
	tell := func(line string) error {
		if r.json {
			_, err := p.stdout.Write(append(escaped([]byte(line)), '\n'))
			return err
		}
		return p.tellEvent(line)
	}
	if follow {
		ctx, stop := p.untilInterrupt()
		defer stop()
		err := c.Events(ctx, values, tell)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil || gone(err):
			return errors.New("the server has ended")
		}
		return r.advise(err)
	}
	all, err := answered(context.Background(), r, func(ctx context.Context) ([]json.RawMessage, error) {
		return c.Kept(ctx, values)
	})
	for _, line := range all {
		if err == nil {
			err = tell(string(line))
		}
	}
	return err
}

// tellEvent prints a line of the log in JSON as it is in the log in text.
func (p *program) tellEvent(line string) error {
	fields := json.NewDecoder(bytes.NewReader([]byte(line)))
	fields.UseNumber()
	_, err := fields.Token() // the brace
	var record slog.Record
	for err == nil && fields.More() {
		var key json.Token
		var value any
		if key, err = fields.Token(); err == nil {
			err = fields.Decode(&value)
		}
		text := fmt.Sprint(value)
		switch key {
		case slog.TimeKey:
			record.Time, _ = time.Parse(time.RFC3339Nano, text)
		case slog.LevelKey:
			record.Level.UnmarshalText([]byte(text))
		case slog.MessageKey:
			record.Message = text
		default:
			record.AddAttrs(slog.String(fmt.Sprint(key), text))
		}
	}
	if err != nil {
		return fmt.Errorf("the server does not speak our API: %w", err)
	}
	return slog.NewTextHandler(p.stdout, nil).Handle(context.Background(), record)
}
