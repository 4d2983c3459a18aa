//go:build race

package conn

// raced says that the race detector runs. It takes what one goroutine sends and another
// receives for an order of theirs, but only in calls of package syscall.
const raced = true
