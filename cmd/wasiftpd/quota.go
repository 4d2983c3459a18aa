package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"wasiftp/cmd/wasiftpd/admin"
	"wasiftp/fsbridge"
	"wasiftp/host/quota"
)

func (o *options) addQuotasTo(f *pflag.FlagSet) {
	f.Func("quota-per-user", "each user stores at most `BYTES[:FILES]` in its folder, as in 10G or\n"+
		"10G:100000; folders and links are files too, 0 is no limit (default 0)", quotaTo(&o.quotaPerUser))
	f.StringVar(&o.stateDir, "state-dir", "", "keep the counts of quotas, bans, and what hooks are to be told, in `DIR`\n"+
		"(default wasiftpd in your configuration folder, else systemd's\nstate folder, else /var/lib/wasiftpd)")
}

// quotaTo reads BYTES[:FILES] into target.
func quotaTo(target *quota.Limits) func(string) error {
	return func(s string) error {
		bytes, files, both := strings.Cut(s, ":")
		if !both {
			files = "0"
		}
		var l quota.Limits
		if size(&l.Bytes)(bytes) != nil || size(&l.Files)(files) != nil {
			return fmt.Errorf("%q is no BYTES[:FILES] such as 10G or 500M:20000", s)
		}
		*target = l
		return nil
	}
}

// quotas are the counts of all users, which are opened when the first user needs one.
type quotas struct {
	state  *state
	logger *slog.Logger
	joins  bool // another process has the counts open, and is to end

	mu    sync.Mutex
	store *quota.Store // nil until it is opened
}

func (q *quotas) open() (*quota.Store, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.store != nil {
		return q.store, nil
	}
	dir, err := q.state.open()
	if err == nil {
		open := quota.Open
		if q.joins {
			open = quota.Join
		}
		q.store, err = open(dir, func(err error) { q.logger.Error("quotas", "err", err) })
	}
	if err != nil {
		return nil, blame("state-dir", q.state.given, err)
	}
	return q.store, nil
}

func (q *quotas) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.store != nil {
		if err := q.store.Close(); err != nil {
			q.logger.Error("quotas", "err", err)
		}
	}
}

// of is the quota of an account; nil is none.
func (q *quotas) of(a *account) (fsbridge.Quota, error) {
	if a.quota == (quota.Limits{}) || !a.writes() {
		return nil, nil
	}
	store, err := q.open()
	if err != nil {
		return nil, err
	}
	return store.Account(a.unique, a.quota, func() (fs.FS, func() error, error) { return measured(a.root) })
}

// told are the counts for administrators, by user, with the limits of those in a.
func (q *quotas) told(a *accounts) ([]admin.Quota, error) {
	q.mu.Lock()
	open := q.store != nil
	q.mu.Unlock()
	if !open {
		return []admin.Quota{}, nil
	}
	dir, err := q.state.open()
	if err != nil {
		return nil, err
	}
	rows, err := quota.Show(dir)
	if err != nil {
		return nil, err
	}
	return quotasOf(rows, a.quotas()), nil
}

// quotas are the limits of all accounts, by user.
func (a *accounts) quotas() map[string]quota.Limits {
	limits := map[string]quota.Limits{}
	a.each(func(own *account) { limits[own.unique] = own.quota })
	return limits
}

// quotasOf are counts as the API tells them, with the limits of users that are known.
func quotasOf(rows []quota.Row, limits map[string]quota.Limits) []admin.Quota {
	all := []admin.Quota{}
	for _, r := range rows {
		l := limits[r.Account]
		all = append(all, admin.Quota{
			User: r.Account, Bytes: r.Bytes, Files: r.Files, MaxBytes: l.Bytes, MaxFiles: l.Files, Uncertain: !r.Counted,
		})
	}
	return all
}

// measured opens a folder whose content is to be counted.
func measured(root string) (fs.FS, func() error, error) {
	dir, err := folderAt(root, fsbridge.DirOptions{})
	if err != nil {
		return nil, nil, err
	}
	return dir, dir.Close, nil
}

// ready opens the counts, if an account needs them, while the process may open all files.
// Sources may give a quota to anybody, if that is prepared by --state-dir or a group.
func (q *quotas) ready(a *accounts, o *options) (err error) {
	needed := len(o.sources.given) > 0 && (o.quotaPerUser != quota.Limits{} || q.state.given != "")
	for _, group := range o.groups {
		needed = needed || len(o.sources.given) > 0 && group.get("quota") != nil
	}
	a.each(func(own *account) { needed = needed || own.quota != quota.Limits{} && own.writes() })
	if needed {
		_, err = q.open()
	}
	return err
}

func (p *program) quotaCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "quota", Short: "Show or count anew what users store",
		Long: "quota is about users who have a quota. A server may run meanwhile.",
		Args: atMost(0), RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{errors.New("say quota show or quota scan; see wasiftpd quota --help")}
		}}
	k := kept{reach: &reach{}}
	shows := &cobra.Command{Use: "show", Short: "Print what each user stores", Args: atMost(0),
		Long: "show prints the bytes and files of each user that has logged in with a quota, and how many the user may have:\n" +
			"a dash is no limit, or one that is not known. Without a server that answers, the limits come from --config.\n\n" + keptHelp,
		RunE: func(*cobra.Command, []string) error { return p.showQuotas(&k) }}
	k.addTo(shows.Flags())
	var o options
	scans := &cobra.Command{Use: "scan [USER]...", Short: "Count anew what users store",
		Long: "scan counts what is in the folders of the users, or of all, and takes the flags that serve was given:\n" +
			"they, or the file of --config, say who has which folder and a quota.",
		RunE: func(cmd *cobra.Command, names []string) error {
			config, err := p.configure(cmd.Flags(), &o)
			if err != nil {
				return err
			}
			return config.placed(p.scanQuotas(cmd.Context(), &o, names))
		}}
	newSettings(scans.Flags(), &o)
	cmd.AddCommand(shows, scans)
	return cmd
}

func (p *program) showQuotas(k *kept) error {
	all, err := keptBy(p, k, (*admin.Client).Quotas, func(dir string) ([]admin.Quota, error) {
		rows, err := openKept(dir, "no quota was counted", quota.Show)
		if err != nil {
			return nil, err
		}
		own, err := p.ownOf(k.reach)
		if err != nil {
			return nil, err
		}
		return quotasOf(rows, p.limits(own)), nil
	})
	if err != nil {
		return err
	}
	if k.json {
		return show(p.stdout, true, all, nil)
	}
	limit := func(n int64) string {
		if n == 0 {
			return "-"
		}
		return strconv.FormatInt(n, 10)
	}
	out := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, q := range all {
		note := ""
		if q.Uncertain {
			note = " (not counted since the server crashed)"
		}
		fmt.Fprintf(out, "%d bytes\tof %s\t%d files\tof %s\t  %s%s\n", q.Bytes, limit(q.MaxBytes), q.Files, limit(q.MaxFiles),
			shown(q.User), note)
	}
	return out.Flush()
}

// limits are those of the users of a configuration, none if there is none. A fault in it does
// not keep what is counted from being shown.
func (p *program) limits(own *ownSettings) map[string]quota.Limits {
	if own.config == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := own.options.roster(ctx, &follower{logger: slog.New(slog.DiscardHandler), unwatched: map[string]bool{}})
	if r == nil || r.current.Load() == nil {
		fmt.Fprintf(p.stderr, "The limits are not known: %v\n", own.config.placed(err))
		return nil
	}
	return r.current.Load().quotas() // also if a folder is not there
}

func (p *program) scanQuotas(ctx context.Context, o *options, names []string) error {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	logger := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	r, err := o.roster(ctx, &follower{logger: logger, unwatched: map[string]bool{}})
	if err != nil {
		return err
	}
	dir, err := stateDir(o.stateDir, logger)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	var faults []error
	scanned := 0
	r.current.Load().each(func(own *account) {
		if own.quota == (quota.Limits{}) || !own.writes() || len(names) > 0 && !wanted[own.unique] {
			return
		}
		delete(wanted, own.unique)
		scanned++
		faults = append(faults, p.scanQuota(ctx, dir, own))
	})
	for _, name := range names {
		if wanted[name] {
			faults = append(faults, usageError{fmt.Errorf("user %q has no quota, or may not write", name)})
		}
	}
	if scanned == 0 && len(names) == 0 {
		return usageError{errors.New("no user has a quota; give the flags of serve, such as --quota-per-user")}
	}
	return errors.Join(faults...)
}

func (p *program) scanQuota(ctx context.Context, dir string, own *account) error {
	fsys, shut, err := measured(own.root)
	if err != nil {
		return fmt.Errorf("user %s: %w", own.unique, err)
	}
	defer shut()
	found, exact, err := quota.Count(ctx, dir, own.unique, fsys)
	if err != nil {
		return err
	}
	note := ""
	if !exact {
		note = ", or less: files changed meanwhile"
	}
	_, err = fmt.Fprintf(p.stdout, "%s: %d bytes, %d files%s\n", own.unique, found.Bytes, found.Files, note)
	return err
}
