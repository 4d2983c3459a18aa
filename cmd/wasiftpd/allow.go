package main

import (
	"github.com/spf13/pflag"

	"wasiftp/host"
)

// allowances are the words of --allow, with what each turns on.
var allowances = []word{
	{"site-copy", "SITE CPFR, CPTO and COPY copy a file", func(c *host.Config) *bool { return &c.Allow.SiteCopy }},
	{"site-symlink", "SITE SYMLINK makes a symbolic link", func(c *host.Config) *bool { return &c.Allow.SiteSymlink }},
	{"site-rmdir", "SITE RMDIR removes a folder and all that is in it", func(c *host.Config) *bool { return &c.Allow.SiteRmdir }},
	{"comb", "COMB puts files together to one", func(c *host.Config) *bool { return &c.Allow.Combine }},
	{"ccc", "CCC ends TLS on the control connection; anybody on the\nway may add commands then", func(c *host.Config) *bool { return &c.Allow.CCC }},
	{"sscn", "SSCN makes us the TLS client of another server (FXP),\nwhose certificate is not checked", func(c *host.Config) *bool { return &c.Allow.SSCN }},
	{"cpsv", "CPSV does so for one transfer", func(c *host.Config) *bool { return &c.Allow.CPSV }},
}

func (o *options) addAllowTo(f *pflag.FlagSet) {
	f.Func("allow", wordsHelp("turn on what `WORDS` say, separated by commas; repeatable:", allowances), o.setAllow)
}

func (o *options) setAllow(list string) error { return o.turnOn(allowances, list, "can't be allowed") }
