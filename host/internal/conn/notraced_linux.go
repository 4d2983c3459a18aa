//go:build !race

package conn

// raced says that the race detector runs.
const raced = false
