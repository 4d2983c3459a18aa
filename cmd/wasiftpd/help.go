package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// headings stand in the help before the flags that they are given for, and the flags that follow.
var headings = map[string]string{
	"listen":         "Folders and users",
	"auth-http":      "Accounts from elsewhere",
	"rule":           "Rules and virtual hosts",
	"tls":            "TLS",
	"passive-ports":  "Network",
	"max-sessions":   "Limits",
	"idle-timeout":   "Time-outs",
	"atomic-uploads": "Files",
	"behaviour":      "Where servers differ",
	"run-as":         "The process",
	"log-format":     "Logs",
	"admin-socket":   "Administration",
	"within":         "This command",
	"version":        "About wasiftpd",
	"help":           "About wasiftpd",
}

// flagsInUsage is the part of cobra's template that lists the flags of a command.
const flagsInUsage = "Flags:\n{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}"

// groupFlags has the help of root and of its commands list flags under headings. A command
// without the flags of serve has none.
func groupFlags(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		if c.LocalFlags().Lookup(configFlag) != nil {
			c.SetUsageTemplate(strings.Replace(c.UsageTemplate(), flagsInUsage, groupedFlags(c.LocalFlags()), 1))
		}
		help(c, args)
	})
}

// groupedFlags is the help of flags, as text of a template.
func groupedFlags(f *pflag.FlagSet) string {
	var text strings.Builder
	heading, group := "Flags", newGroup()
	flush := func() {
		text.WriteString(heading + ":\n" + group.FlagUsages() + "\n")
		group = newGroup()
	}
	f.VisitAll(func(flag *pflag.Flag) {
		if next := headings[flag.Name]; next != "" && next != heading {
			flush()
			heading = next
		}
		group.AddFlag(flag)
	})
	flush()
	return strings.TrimRight(strings.ReplaceAll(text.String(), "{{", `{{"{{"}}`), "\n")
}

func newGroup() *pflag.FlagSet {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.SortFlags = false
	return f
}
