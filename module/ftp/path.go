package ftp

import "bytes"

// maxName is the longest name in bytes, relative to the root, that the engine
// hands to the world.
const maxName = 4096

// resolve turns a client's pathname into a name for the world: relative to the
// root, without "." and ".." elements, "." for the root itself. The result is
// valid until the next call.
func (s *session) resolve(pathname []byte) ([]byte, error) {
	name, ok := appendResolved(s.e.name[:0], s.dir, pathname)
	if len(name) == 0 {
		name = append(name, '.')
	}
	s.e.name = name
	if !ok {
		return nil, replyPathTooLong
	}
	return name, nil
}

// resolveBelow is resolve for commands that must not change the root itself.
func (s *session) resolveBelow(pathname []byte) ([]byte, error) {
	name, err := s.resolve(pathname)
	if err == nil && string(name) == "." {
		return nil, ErrPermission
	}
	return name, err
}

// appendResolved appends to dst, which must be empty, the name that pathname has in
// the directory dir; the root is the empty name. It works on bytes. "/" separates the
// elements. Empty ones and "." are dropped, and ".." drops the one before it, if any.
// "~" in front is the root, as each account's home is its root. All else is part of a
// name. It reports false if the name is longer than maxName.
func appendResolved(dst, dir, pathname []byte) ([]byte, bool) {
	if len(pathname) > 0 && pathname[0] == '~' && (len(pathname) == 1 || pathname[1] == '/') {
		pathname = pathname[1:]
		dir = nil
	}
	if len(pathname) > 0 && pathname[0] == '/' {
		dir = nil
	}
	dst = append(dst, dir...)
	for len(pathname) > 0 {
		var element []byte
		element, pathname, _ = bytes.Cut(pathname, []byte{'/'})
		switch string(element) {
		case "", ".":
		case "..":
			dst = dst[:max(bytes.LastIndexByte(dst, '/'), 0)]
		default:
			dst = appendElement(dst, element)
		}
		if len(dst) > maxName {
			return dst[:0], false
		}
	}
	return dst, true
}
