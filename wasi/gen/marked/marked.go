// Package marked fills the generated parts of a document. A part stands between a line
// "<!-- name -->" and a line "<!-- /name -->".
package marked

import (
	"bytes"
	"log"
	"os"
)

// Fill replaces parts of a file, by their names. It ends the program if the file cannot be
// read or written, or has no part of a name.
func Fill(file string, parts map[string]string) {
	document, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	for name, text := range parts {
		begin, end := []byte("<!-- "+name+" -->\n"), []byte("<!-- /"+name+" -->")
		from, to := bytes.Index(document, begin)+len(begin), bytes.Index(document, end)
		if from < len(begin) || to < from {
			log.Fatalf("%s has no part %q", file, name)
		}
		document = bytes.Join([][]byte{document[:from], []byte(text), document[to:]}, nil)
	}
	if err := os.WriteFile(file, document, 0o644); err != nil {
		log.Fatal(err)
	}
}
