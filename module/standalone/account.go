package standalone

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"wasiftp/fsbridge"
	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

// secret is a hash of a name or password. All have one length, so that comparing them
// always takes the same time.
type secret [sha256.Size]byte

func secretOf(text []byte) secret { return sha256.Sum256(text) }

// able says what the files of an account can do. WASI has no permissions and does not tell
// how much room a disk has; no setting allows the other abilities.
const able = wasi.AbleUpload | wasi.AbleTimes | wasi.AbleMkdir

// Login implements [ftp.Accounts]. It takes the same time whether the user is known or not.
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
	if !known && (strings.EqualFold(string(user), "anonymous") || strings.EqualFold(string(user), "ftp")) { // RFC 1635
		rights = w.settings.Anonymous
	}
	if rights == 0 {
		return 0, 0, ftp.ErrPermission
	}
	s.files = &fsbridge.Access{FS: w.dir, Rights: rights, FollowLinks: w.settings.FollowLinks}
	return rights, able, nil
}

// Logout implements [ftp.Accounts].
func (w *world) Logout(h ftp.Handle) {
	if s, ok := w.objects[h].(*session); ok {
		s.files = nil
	}
}
