package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// blamed is a fault of a setting that shows only when its value is used: a file that is
// missing, say, or another setting that it needs.
type blamed struct {
	key, value string // value is "" for whatever the setting has
	error
}

func (b blamed) Unwrap() error { return b.error }

// blame is nil for nil.
func blame(key, value string, err error) error {
	if err == nil {
		return nil
	}
	return blamed{key, value, err}
}

// placed puts before each blamed fault in err where the configuration file has the value,
// unless a flag or a variable gives it.
func (c *configFile) placed(err error) error {
	if c == nil || err == nil {
		return err
	}
	if usage := (usageError{}); errors.As(err, &usage) && usage == err {
		return usageError{c.placed(usage.error)}
	}
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		faults := slices.Clone(all.Unwrap())
		for i := range faults {
			faults[i] = c.placed(faults[i])
		}
		return errors.Join(faults...)
	}
	b := blamed{}
	if !errors.As(err, &b) || c.given[b.key] != nil {
		return err
	}
	value := c.read.top.get(b.key)
	if value == nil {
		return err
	}
	at := value.at
	for _, item := range value.values() {
		if item.text == b.value || filepath.Join(filepath.Dir(c.path), item.text) == b.value || isHost(item.text, b.value) {
			at = item.at
		}
	}
	return fmt.Errorf("%s: %s: %w", c.read.place(at), b.key, err)
}

// isHost says whether a value of host is for the host of a name.
func isHost(text, name string) bool {
	host, _, _ := strings.Cut(text, ",")
	return strings.EqualFold(host, name)
}
