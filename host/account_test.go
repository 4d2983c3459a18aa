package host

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// No way of printing a login prints its password.
func TestPasswordNeverPrints(t *testing.T) {
	t.Parallel()
	const secret = "open sesame"
	login := Login{User: "ali", Password: secret}
	var log strings.Builder
	text := slog.New(slog.NewTextHandler(&log, nil))
	json1 := slog.New(slog.NewJSONHandler(&log, nil))
	for _, logger := range []*slog.Logger{text, json1} {
		logger.Info("login", "login", login, "password", login.Password, "pointer", &login)
	}
	printed := []string{log.String()}
	for _, value := range []any{login, &login, login.Password, &login.Password, []Password{secret},
		map[string]Password{"p": secret}, struct{ P any }{login.Password}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%10s", "%.3s"} {
			printed = append(printed, fmt.Sprintf(verb, value))
		}
		if b, err := json.Marshal(value); err == nil {
			printed = append(printed, string(b))
		}
		if b, err := xml.Marshal(value); err == nil {
			printed = append(printed, string(b))
		}
	}
	printed = append(printed, fmt.Sprint(login), fmt.Sprintln(login.Password), fmt.Errorf("login %v: %w", login,
		errors.New("x")).Error())
	for _, p := range printed {
		for _, form := range []string{secret, "sesame", fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), "111 112 101 110"} {
			if strings.Contains(p, form) {
				t.Errorf("it prints: %s", p)
			}
		}
	}
	if login.Password.Reveal() != secret {
		t.Error("it does not reveal itself either")
	}
}
