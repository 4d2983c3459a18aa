// Package hostile tests the host against modules that break the rules of the boundary.
package hostile
