// Package marked fills the parts of a document that are generated. Such a part stands
// between a line "<!-- name -->" and a line "<!-- /name -->".
package marked

import (
	"bytes"
	"log"
	"os"
)

// Fill writes each text into the part of the file that has its name. It ends the program
// where that cannot be done.
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
