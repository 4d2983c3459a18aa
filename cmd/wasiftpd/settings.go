package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/pflag"
)

// The settings of the server are the flags of serve. Each is also a key of the same name in
// the file of --config, and a variable. The flag's own Set reads the value from all three.

const settingsHelp = `Each flag is also a variable and a key of the configuration file: --tls-min 1.3 is
WASIFTPD_TLS_MIN=1.3 or, in the file of --config, tls-min = "1.3". A flag counts before a
variable, a variable before the file. A repeatable flag is an array in the file; a variable
has each of its values in a line of its own. wasiftpd config prints a sample of the file, and
wasiftpd check says what the server would do.`

// recorder is the value of a flag that remembers the texts it was set to.
type recorder struct {
	pflag.Value
	flag  *pflag.Flag
	texts []string
}

func (r *recorder) Set(text string) error {
	err := r.vet(text)
	if err == nil {
		err = r.Value.Set(text)
	}
	if err == nil {
		r.texts = append(r.texts, text)
	}
	return err
}

// vet finds what no setting takes. The values of user and auth-sql-query may hold some
// control characters, and their own Set says which.
func (r *recorder) vet(text string) error {
	_, err := strconv.ParseBool(text)
	switch {
	case takesBool(r.flag) && err != nil:
		return fmt.Errorf("%q is neither true nor false", text)
	case text == "":
		placeholder, _ := pflag.UnquoteUsage(r.flag)
		return fmt.Errorf("nothing is given; give %s, or leave the setting out", placeholder)
	case r.flag.Name != "user" && r.flag.Name != "auth-sql-query":
		return checkLine(text)
	}
	return nil
}

// checkLine refuses control characters, which would tear lines of the log and paths apart.
func checkLine(text string) error {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return errors.New("it holds a line end or another control character; leave that out")
	}
	return nil
}

func takesBool(flag *pflag.Flag) bool { return strings.HasPrefix(flag.Value.Type(), "bool") }

// newSettings adds the flags of serve to f, for o.
func newSettings(f *pflag.FlagSet, o *options) {
	o.addTo(f)
	f.VisitAll(func(flag *pflag.Flag) {
		flag.Value = &recorder{Value: flag.Value, flag: flag}
		if flag.DefValue == "[]" {
			flag.DefValue = "" // else help would show it: pflag knows an empty list by the type of its value
		}
	})
}

// settings are the flags of f that are settings too.
func settings(f *pflag.FlagSet) (all []*pflag.Flag) {
	f.VisitAll(func(flag *pflag.Flag) {
		if _, ok := flag.Value.(*recorder); ok && flag.Name != configFlag {
			all = append(all, flag)
		}
	})
	return all
}

// setting returns the flag of a key, nil if there is none.
func setting(f *pflag.FlagSet, key string) *pflag.Flag {
	flag := f.Lookup(key)
	if flag == nil || !slices.Contains(settings(f), flag) {
		return nil
	}
	return flag
}

// isSetting says whether a key is that of a setting.
func isSetting(key string) bool {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	newSettings(f, new(options))
	return setting(f, key) != nil
}

// texts are the values that a setting was set to, nil for none.
func texts(flag *pflag.Flag) []string { return flag.Value.(*recorder).texts }

// repeatable says whether a flag may be given more than once. Its help tells people so too.
func repeatable(flag *pflag.Flag) bool {
	return strings.HasSuffix(flag.Value.Type(), "Array") || strings.Contains(flag.Usage, "repeatable")
}

// set sets a flag, and words a fault without the value, as [flagFault] does.
func set(f *pflag.FlagSet, flag *pflag.Flag, text string) error {
	err := f.Set(flag.Name, text)
	if err == nil {
		return nil
	}
	if invalid, ok := err.(*pflag.InvalidValueError); ok {
		return invalid.Unwrap()
	}
	return err
}

const variablePrefix = "WASIFTPD_"

// variable is the name of the variable of a setting.
func variable(key string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// readVariables sets the settings that no flag has set to the variables of an environment.
// An empty variable sets nothing. The error has all faults, a line each.
func readVariables(f *pflag.FlagSet, environment []string) (faults []error) {
	known := map[string]*pflag.Flag{variable(configFlag): f.Lookup(configFlag)}
	for _, flag := range settings(f) {
		known[variable(flag.Name)] = flag
	}
	for _, pair := range environment {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, variablePrefix) {
			continue
		}
		flag := known[name]
		switch {
		case flag == nil:
			faults = append(faults, unknownVariable(name, known))
		case !flag.Changed && value != "":
			faults = append(faults, setVariable(f, flag, name, value)...)
		}
	}
	return faults
}

func unknownVariable(name string, known map[string]*pflag.Flag) error {
	keys := map[string]bool{}
	for other := range known {
		keys[strings.TrimPrefix(other, variablePrefix)] = true
	}
	meant := nearest(strings.TrimPrefix(name, variablePrefix), keys)
	if meant != "" {
		meant = variablePrefix + meant
	}
	return fmt.Errorf("there is no variable %s%s", name, didYouMean(meant))
}

func setVariable(f *pflag.FlagSet, flag *pflag.Flag, name, value string) (faults []error) {
	values := []string{value}
	if repeatable(flag) {
		values = strings.FieldsFunc(value, func(r rune) bool { return r == '\n' || r == '\r' })
	}
	for _, text := range values {
		if err := set(f, flag, text); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
	}
	return faults
}
