// Package hostile tests the host against modules that lie.
package hostile
