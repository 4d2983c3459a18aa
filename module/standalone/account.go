package standalone

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"wasiftp/fsbridge"
	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

// secret is a password as something of equal length, so that comparing takes
// equal time.
type secret [sha256.Size]byte

func secretOf(password []byte) secret { return sha256.Sum256(password) }

// able is what the engine may ask of files. WASI has no permissions and tells no room on
// disks, and nothing allows the rest.
const able = wasi.AbleUpload | wasi.AbleTimes | wasi.AbleMkdir

// Login implements [ftp.Accounts]. Whether a user is known makes no difference to
// the time it takes.
func (w *world) Login(h ftp.Handle, user, password []byte) (ftp.Rights, ftp.Abilities, error) {
	s, ok := w.objects[h].(*session)
	if !ok {
		return 0, 0, ftp.ErrStorage
	}
	name, given := secretOf(user), secretOf(password)
	var rights ftp.Rights
	known := false
	for _, u := range w.settings.Users {
		wanted := secretOf([]byte(u.Name))
		same := subtle.ConstantTimeCompare(name[:], wanted[:])
		known = known || same == 1
		if same&subtle.ConstantTimeCompare(given[:], u.password[:]) == 1 {
			rights = u.Rights
		}
	}
	if !known && isAnonymous(string(user)) {
		rights = w.settings.Anonymous
	}
	if rights == 0 {
		return 0, 0, ftp.ErrPermission
	}
	s.files = &fsbridge.Access{FS: w.dir, Rights: rights, FollowLinks: w.settings.FollowLinks}
	return rights, able, nil
}

// isAnonymous says whether a name is one of RFC 1635's.
func isAnonymous(name string) bool {
	return strings.EqualFold(name, "anonymous") || strings.EqualFold(name, "ftp")
}

// Logout implements [ftp.Accounts].
func (w *world) Logout(h ftp.Handle) {
	if s, ok := w.objects[h].(*session); ok {
		s.files = nil
	}
}
