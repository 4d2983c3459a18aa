// Package hostile tests the host against modules that lie.
package hostile

//go:generate go test . -run ^TestGuestHasEveryImport$ -update
