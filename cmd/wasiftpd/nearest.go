package main

import (
	"fmt"
	"maps"
	"slices"
)

// nearest is the known word that is most like word, "" if none is much like it.
func nearest[V any](word string, known map[string]V) (best string) {
	least := min(len(word)/3+1, 6)
	if len(word) > 100 {
		return ""
	}
	for _, other := range slices.Sorted(maps.Keys(known)) {
		if d := distance(word, other); d <= least && d < len(word) {
			best, least = other, d-1
		}
	}
	return best
}

// didYouMean ends the sentence about an unknown word. "" adds nothing.
func didYouMean(word string) string {
	if word == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", word)
}

// distance is how many letters must be put in, left out or replaced to make b of a
// (Levenshtein's).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
