package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (p *program) configCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print a sample of the file of --config, with all its keys and what they mean",
		Long: "config prints a configuration file for --config in which all keys are commented out:\n\n" +
			"  wasiftpd config > wasiftpd.toml\n\n" + settingsHelp,
		Args: atMost(0),
		RunE: func(*cobra.Command, []string) error { return writeSample(p.stdout) },
	}
}

// examples are values for the sample, as TOML, of settings whose help has no default.
var examples = map[string]string{
	"listen":          `["127.0.0.1:2121"]`,
	"root":            `"."`,
	"anonymous":       `"ro"`,
	"user":            `["alice:secret:rw"]`,
	"users":           `"users"`,
	"host":            `["ftp.example.org,root=/srv/example"]`,
	"tls-cert":        `["cert.pem"]`,
	"tls-key":         `["key.pem"]`,
	"tls-acme":        `["ftp.example.org"]`,
	"tls-acme-ca":     `"https://ca.example.org/acme/directory"`,
	"tls-dir":         `"/var/lib/wasiftpd"`,
	"implicit-listen": `[":990"]`,
	"tls-client-ca":   `"clients.pem"`,
	"tls-client-auth": `"require"`,
	"passive-ports":   `"50000-50099"`,
	"public-address":  `"203.0.113.7"`,
	"max-startups":    `"500:30:1000"`,
	"behaviour":       `["make-parents"]`,
	"allow":           `["site-copy"]`,
	"charset":         `"Windows-1252"`,
	"run-as":          `"ftp"`,
	"landlock":        `["/srv"]`,
	"greeting":        `"Welcome."`,
	"module":          `"wasiftp.wasm"`,
	"auth-http":       `["https://accounts.example.org/ftp"]`,
	"auth-program":    `["/usr/local/bin/ftp-login"]`,
	"auth-ldap":       `["ldaps://ldap.example.org"]`,
	"auth-ldap-dn":    `"uid=%u,ou=people,dc=example,dc=org"`,
	"auth-sql":        `["postgres://ftp@db.example.org/accounts"]`,
	"auth-sql-query":  `"SELECT password, root, rights, charset FROM users WHERE name = $1"`,
	"state-dir":       `"/var/lib/wasiftpd"`,
	"rule":            `["/**/.git none"]`,
	"auth-root":       `"/srv/%u"`,
	"auth-group":      `"cameras"`,
	"auth-cache":      `"30s"`,
	"proxy-protocol":  `"192.0.2.7"`,
	"allow-from":      `["192.0.2.0/24"]`,
	"deny-from":       `["203.0.113.0/24"]`,
	"cache-dir":       `"/var/cache/wasiftpd"`,
	"log-format":      `"json"`,
	"log-file":        `"/var/log/wasiftpd/log"`,
	"transfer-log":    `"/var/log/wasiftpd/xferlog"`,
	"admin-socket":    `"/run/wasiftpd/admin.sock"`,
	"admin-listen":    `["127.0.0.1:8443"]`,
	"admin-tokens":    `"/etc/wasiftpd/tokens"`,
}

// defaultInHelp is how the help of a flag tells its default.
var defaultInHelp = regexp.MustCompile(`\(default\s([^\s()]+)\)`)

// example is a value for the sample: the default, else an example. "" is none.
func example(flag *pflag.Flag) string {
	if value := examples[flag.Name]; value != "" {
		return value
	}
	if strings.HasPrefix(flag.Value.Type(), "bool") {
		return "false"
	}
	value := flag.DefValue
	if said := defaultInHelp.FindStringSubmatch(flag.Usage); said != nil {
		value = said[1]
	}
	switch {
	case value == "":
		return ""
	case repeatable(flag):
		return fmt.Sprintf("[%q]", value)
	}
	return fmt.Sprintf("%q", value)
}

const sampleHead = `# The configuration of wasiftpd. Each flag of wasiftpd serve is a key here.
# A flag counts before a variable, a variable before this file. Relative paths
# count from the folder of this file. The file is loaded again when it changes.

`

const sampleUsers = `
# Users. [defaults] is for all of them, a [[group]] for those that name it; both may
# have what a [[user]] has but passwords and certificate. A user's own value counts
# before that of his group, and that before [defaults].

#[defaults]
#rights = "ro"

#[[group]]
#name = "cameras"
#root = "/srv/cameras/%u"
#rights = "list,write,mkdir"

# Where there is a [[user]], the key user above must be away.
#[[user]]
# Passwords of users are hashes: wasiftpd passwd NAME prints one after the name.
#name = "alice"
#group = "cameras"
`

const sampleHooks = `
# Hooks: programs or URLs that are asked before something happens, or told afterwards. Each
# [[hook]] has either run or url.

#[[hook]]
`

// writeSample writes a configuration file in which all keys are commented out: without the #
// at the beginning of a line that holds a key, the key is set.
func writeSample(w io.Writer) error {
	var b strings.Builder
	b.WriteString(sampleHead)
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	newSettings(f, new(options))
	for _, flag := range settings(f) {
		if flag.Hidden {
			continue
		}
		_, usage := pflag.UnquoteUsage(flag)
		writeComment(&b, usage)
		if slices.Contains(restartSettings, flag.Name) {
			writeComment(&b, "A change needs a restart.")
		}
		fmt.Fprintf(&b, "#%s = %s\n\n", flag.Name, example(flag))
	}
	b.WriteString(strings.TrimPrefix(sampleUsers, "\n"))
	for _, s := range userSettings {
		if s.help != "" {
			writeComment(&b, s.help)
			fmt.Fprintf(&b, "#%s = %s\n", s.key, s.sample)
		}
	}
	b.WriteString(sampleHooks)
	for _, s := range hookSettings {
		writeComment(&b, s.help)
		fmt.Fprintf(&b, "#%s = %s\n", s.key, s.sample)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("cannot print the sample: %w", err)
	}
	return nil
}

func writeComment(b *strings.Builder, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintf(b, "# %s\n", strings.TrimRight(line, " "))
	}
}
