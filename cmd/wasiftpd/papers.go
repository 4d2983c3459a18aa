//go:build papers

package main

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/spf13/cobra/doc"

	"wasiftp/host"
)

// main writes what packages hold besides the program into the folder that is its one
// argument: manual pages, completions of shells, and the configuration. It is a program of
// its own, so that the library for manual pages is not in wasiftpd.
func main() {
	if err := writePapers(os.Args[1]); err != nil {
		panic(err)
	}
}

func writePapers(dir string) error {
	root := new(program).command()
	root.DisableAutoGenTag = true
	manual := filepath.Join(dir, "man")
	if err := os.MkdirAll(manual, 0o755); err != nil {
		return err
	}
	header := doc.GenManHeader{Title: "WASIFTPD", Section: "1", Source: "wasiftpd " + host.Version, Manual: "wasiftpd"}
	if err := doc.GenManTree(root, &header, manual); err != nil {
		return err
	}
	var sample bytes.Buffer
	if err := writeSample(&sample); err != nil {
		return err
	}
	// Else the folder in which the server is started would be served.
	config := bytes.Replace(sample.Bytes(), []byte("\n#root = \".\"\n"), []byte("\nroot = \"/srv/ftp\"\n"), 1)
	if err := os.WriteFile(filepath.Join(dir, "wasiftpd.toml"), config, 0o640); err != nil {
		return err
	}
	if err := root.GenBashCompletionFileV2(filepath.Join(dir, "wasiftpd.bash"), true); err != nil {
		return err
	}
	if err := root.GenZshCompletionFile(filepath.Join(dir, "wasiftpd.zsh")); err != nil {
		return err
	}
	return root.GenFishCompletionFile(filepath.Join(dir, "wasiftpd.fish"), true)
}
