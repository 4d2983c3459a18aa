package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"wasiftp/host"
)

func TestModule(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := run(t, nil, "module")
	if code != 0 || stderr != "" || stdout != string(host.Module()) {
		t.Errorf("exit code %d, %d bytes, %q; want 0 and %d bytes", code, len(stdout), stderr, len(host.Module()))
	}
	file := filepath.Join(t.TempDir(), "m.wasm")
	if code, stdout, stderr := run(t, nil, "module", file); code != 0 || stdout+stderr != "" {
		t.Errorf("to a file: exit code %d, %q, %q", code, stdout, stderr)
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, host.Module()) {
		t.Errorf("the file has %d bytes, %v; want %d", len(got), err, len(host.Module()))
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	want := regexp.MustCompile(`^wasiftpd v\d+\.\d+\.\d+ \(go1\.\S+ \w+/\w+\)\nABI [1-9]\d*\nmodule SHA-256 ([0-9a-f]{64})\n\n` +
		`([0-9a-f]{64}) +[1-9]\d+ host/wasiftp\.wasm\n([0-9a-f]{64} +[1-9]\d+ module/wasiftp-\w+\.wasm\n){3}$`)
	code, stdout, stderr := run(t, nil, "version")
	if code, flag, stderr := run(t, nil, "--version"); code != 0 || flag != stdout || stderr != "" {
		t.Errorf("--version: exit code %d, %q, %q", code, flag, stderr)
	}
	match := want.FindStringSubmatch(stdout)
	if code != 0 || stderr != "" || match == nil {
		t.Fatalf("exit code %d, %q, %q", code, stdout, stderr)
	}
	if match[1] != match[2] {
		t.Errorf("the built-in module is %s, and the list has %s: run make wasm", match[1], match[2])
	}
}
