package ftp

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"

	"wasiftp/wasi"
)

// Argument says what may follow a verb.
type Argument uint8

// The arguments a verb can have.
const (
	NoArgument Argument = iota
	OptionalArgument
	RequiredArgument
	OptionalPathname
	RequiredPathname
)

// Verb is a row of the table: all that the engine knows of a verb.
type Verb struct {
	Name       string
	Syntax     string // of the argument, for HELP
	Argument   Argument
	Word       bool      // the argument is one word
	NoLogin    bool      // it works before the login
	AtOnce     bool      // it is answered during a transfer, not held until its end
	Interrupts bool      // it is answered during a transfer, before lines that are held
	Neutral    bool      // it may stand between REST or RNFR and the command they prepare
	Prepares   bool      // it names the file for the next command
	Needs      Need      // what the world and the configuration must offer; 0 is nothing
	Naming     bool      // it gives a file its name
	Feature    string    // its line of FEAT's reply, "" for none (RFC 2389 §3)
	Announces  Need      // what else that line needs; 0 is nothing
	Right      Rights    // what the world asks of the account; 0 is nothing
	Able       Abilities // what the account's files must be able to do; 0 is nothing
	Section    string    // the document and the section that define it

	// details appends the end of the line of FEAT's reply; nil appends nothing.
	details func(s *session, b []byte) []byte

	// useful reports whether the verb can do anything for the account. If it is nil, the
	// account needs Right and Able.
	useful func(s *session) bool

	// run carries the command out. It returns a reply or a fault, or nil if it has sent
	// the reply itself. If it returns ErrAgain, it is called again with the same argument,
	// and runs from its start: what it does before the call that waits is done twice.
	// s.stage keeps how far it has come. nil means that the verb is not implemented.
	run func(s *session, arg []byte) error
}

// Need is what the world or the configuration has to offer.
type Need uint16

// What a verb can need.
const (
	NeedTLS      Need = 1 << iota // Config.TLS
	NeedHash                      // a [Hasher], and no Behaviour.NoHash
	NeedDeflate                   // a [Deflater], and no Behaviour.NoModeZ
	NeedSpace                     // a [Spacer]
	NeedHosts                     // a [Hosts]
	NeedActive                    // a world that can connect to clients
	NeedCCC                       // a [TLSStopper], and Allow.CCC
	NeedSSCN                      // a [TLSJoiner], and Allow.SSCN
	NeedCPSV                      // a [TLSJoiner], and Allow.CPSV
	NeedUmask                     // a [UmaskSetter]
	NeedSessions                  // a [SessionLister]
	NeedKick                      // a [SessionKicker]
	NeedCopy                      // a [Copier], and Allow.SiteCopy
	NeedCombine                   // a [Copier], and Allow.Combine
	NeedLinks                     // a [Linker], and Allow.SiteSymlink
	NeedTrees                     // a [TreeRemover], and Allow.SiteRmdir

	// needAllowed has all that a verb lacks only because it is turned off.
	needAllowed = NeedCopy | NeedCombine | NeedLinks | NeedTrees | NeedSSCN | NeedCPSV
)

// Verbs is a copy of the table of all verbs that the engine knows.
func Verbs() []Verb { return slices.Clone(verbs) }

const sumSyntax = `<sp> pathname | "pathname" [<sp> first <sp> behind-the-last]`

var verbs = []Verb{
	// RFC 959 §4.1.1: access control.
	{Name: "HOST", Syntax: "<sp> name", Argument: RequiredArgument, Word: true, NoLogin: true, Needs: NeedHosts,
		Feature: "HOST", Section: "RFC 7151 §3", run: (*session).hostVerb},
	{Name: "USER", Syntax: "<sp> account", Argument: RequiredArgument, NoLogin: true, Section: "RFC 959 §4.1.1",
		run: (*session).userVerb},
	{Name: "PASS", Syntax: "<sp> password", Argument: OptionalArgument, NoLogin: true, Section: "RFC 959 §4.1.1",
		run: (*session).passVerb},
	{Name: "ACCT", Syntax: "<sp> account", Argument: OptionalArgument, NoLogin: true, Section: "RFC 959 §4.1.1",
		run: (*session).acctVerb},
	{Name: "REIN", NoLogin: true, Section: "RFC 959 §4.1.1", run: (*session).reinVerb},
	{Name: "QUIT", NoLogin: true, AtOnce: true, Section: "RFC 959 §4.1.1", run: (*session).quitVerb},
	{Name: "SMNT", Syntax: "<sp> pathname", Argument: OptionalPathname, Section: "RFC 959 §4.1.1"},
	{Name: "CWD", Syntax: "<sp> pathname", Argument: RequiredPathname, Feature: "TVFS", Section: "RFC 959 §4.1.1",
		run: (*session).cwdVerb},
	{Name: "XCWD", Syntax: "<sp> pathname", Argument: RequiredPathname, Section: "RFC 1123 §4.1.3.1",
		run: (*session).cwdVerb},
	{Name: "CDUP", Section: "RFC 959 §4.1.1", run: (*session).cdupVerb},
	{Name: "XCUP", Section: "RFC 1123 §4.1.3.1", run: (*session).cdupVerb},

	// RFC 4217: TLS.
	{Name: "AUTH", Syntax: "<sp> TLS | TLS-C | SSL", Argument: RequiredArgument, Word: true, NoLogin: true,
		Needs: NeedTLS, Feature: "AUTH TLS", Section: "RFC 4217 §4", run: (*session).authVerb},
	{Name: "PBSZ", Syntax: "<sp> 0", Argument: RequiredArgument, Word: true, NoLogin: true, Needs: NeedTLS,
		Feature: "PBSZ", Section: "RFC 4217 §8", run: (*session).pbszVerb},
	{Name: "PROT", Syntax: "<sp> C | P", Argument: RequiredArgument, Word: true, NoLogin: true, Needs: NeedTLS,
		Feature: "PROT", Section: "RFC 4217 §9", run: (*session).protVerb},
	{Name: "CCC", NoLogin: true, Needs: NeedTLS, Feature: "CCC", Announces: NeedCCC, Section: "RFC 4217 §6",
		run: (*session).cccVerb},
	{Name: "SSCN", Syntax: "[<sp> ON | OFF]", Argument: OptionalArgument, Word: true, Needs: NeedTLS | NeedSSCN,
		Feature: "SSCN", Section: "by practice", run: (*session).sscnVerb},

	// RFC 959 §4.1.2: transfer parameters.
	{Name: "PORT", Syntax: "<sp> h1,h2,h3,h4,p1,p2", Argument: RequiredArgument, Word: true, Neutral: true,
		Needs: NeedActive, Section: "RFC 959 §4.1.2", run: (*session).portVerb},
	{Name: "PASV", Neutral: true, Section: "RFC 959 §4.1.2", run: (*session).pasvVerb},
	{Name: "CPSV", Neutral: true, Needs: NeedTLS | NeedCPSV, Feature: "CPSV", Section: "by practice",
		run: (*session).cpsvVerb},
	{Name: "EPRT", Syntax: "<sp> |family|address|port|", Argument: RequiredArgument, Word: true, Neutral: true,
		Needs: NeedActive, Feature: "EPRT", Section: "RFC 2428 §2", run: (*session).eprtVerb},
	{Name: "EPSV", Syntax: "[<sp> 1 | 2 | ALL]", Argument: OptionalArgument, Word: true, Neutral: true,
		Feature: "EPSV", Section: "RFC 2428 §3", run: (*session).epsvVerb},
	{Name: "LPRT", Syntax: "<sp> af,hal,h1,…,pal,p1,p2", Argument: RequiredArgument, Word: true, Neutral: true,
		Needs: NeedActive, Section: "RFC 1639 §2", run: (*session).lprtVerb},
	{Name: "LPSV", Neutral: true, Section: "RFC 1639 §3", run: (*session).lpsvVerb},
	{Name: "PRET", Syntax: "<sp> command", Argument: RequiredArgument, Neutral: true, Section: "by practice",
		run: (*session).pretVerb},
	{Name: "TYPE", Syntax: "<sp> A | I | L 8", Argument: RequiredArgument, Neutral: true, Section: "RFC 959 §4.1.2",
		run: (*session).typeVerb},
	{Name: "STRU", Syntax: "<sp> F", Argument: RequiredArgument, Word: true, Neutral: true,
		Section: "RFC 959 §4.1.2", run: (*session).struVerb},
	{Name: "MODE", Syntax: "<sp> S | Z", Argument: RequiredArgument, Word: true, Neutral: true, Feature: "MODE Z",
		Announces: NeedDeflate, Section: "RFC 959 §4.1.2", run: (*session).modeVerb},

	// RFC 959 §4.1.3: transfers.
	{Name: "RETR", Syntax: "<sp> pathname", Argument: RequiredPathname, Right: wasi.RightRead, Section: "RFC 959 §4.1.3",
		run: (*session).retrVerb},
	{Name: "STOR", Syntax: "<sp> pathname", Argument: RequiredPathname, Naming: true, Right: wasi.RightWrite,
		Section: "RFC 959 §4.1.3", run: (*session).storVerb},
	{Name: "STOU", Syntax: "[<sp> pathname]", Argument: OptionalPathname, Naming: true, Right: wasi.RightWrite,
		Section: "RFC 1123 §4.1.2.9", run: (*session).stouVerb},
	{Name: "APPE", Syntax: "<sp> pathname", Argument: RequiredPathname, Naming: true, Right: wasi.RightWrite,
		Section: "RFC 959 §4.1.3", run: (*session).appeVerb},
	{Name: "REST", Syntax: "<sp> offset", Argument: RequiredArgument, Word: true, Neutral: true,
		Feature: "REST STREAM", useful: (*session).transfers, Section: "RFC 3659 §5", run: (*session).restVerb},
	{Name: "RANG", Syntax: "<sp> first <sp> last", Argument: RequiredArgument, Neutral: true,
		Feature: "RANG STREAM", useful: (*session).transfers, Section: "draft-bryan-ftp-range §3",
		run: (*session).rangVerb},
	{Name: "ALLO", Syntax: "<sp> bytes", Argument: OptionalArgument, Neutral: true, Section: "RFC 959 §4.1.3",
		run: (*session).alloVerb},
	{Name: "ABOR", AtOnce: true, Interrupts: true, Section: "RFC 959 §4.1.3", run: (*session).aborVerb},
	{Name: "LIST", Syntax: "[<sp> -adFRrStU] [<sp> pathname or pattern]", Argument: OptionalPathname,
		Right: wasi.RightList, Section: "RFC 959 §4.1.3", run: (*session).listVerb},
	{Name: "NLST", Syntax: "[<sp> -adrStU] [<sp> pathname or pattern]", Argument: OptionalPathname,
		Right: wasi.RightList, Section: "RFC 959 §4.1.3", run: (*session).nlstVerb},
	{Name: "MLSD", Syntax: "[<sp> pathname]", Argument: OptionalPathname, Right: wasi.RightList, Section: "RFC 3659 §7",
		run: (*session).mlsdVerb},
	{Name: "MLST", Syntax: "[<sp> pathname]", Argument: OptionalPathname, Neutral: true, Feature: "MLST",
		details: (*session).appendFactList, Section: "RFC 3659 §7", run: (*session).mlstVerb},
	{Name: "STAT", Syntax: "[<sp> -adFRrStU] [<sp> pathname or pattern]", Argument: OptionalPathname, AtOnce: true,
		Neutral: true, Section: "RFC 959 §4.1.3", run: (*session).statVerb},

	// Files and directories.
	{Name: "DELE", Syntax: "<sp> pathname", Argument: RequiredPathname, Right: wasi.RightDelete,
		Section: "RFC 959 §4.1.3", run: (*session).deleVerb},
	{Name: "RNFR", Syntax: "<sp> pathname", Argument: RequiredPathname, Prepares: true, Right: wasi.RightRename,
		Section: "RFC 959 §4.1.3", run: (*session).rnfrVerb},
	{Name: "RNTO", Syntax: "<sp> pathname", Argument: RequiredPathname, Naming: true, Right: wasi.RightRename,
		Section: "RFC 959 §4.1.3", run: (*session).rntoVerb},
	{Name: "MKD", Syntax: "<sp> pathname", Argument: RequiredPathname, Right: wasi.RightMkdir, Section: "RFC 959 §4.1.3",
		run: (*session).mkdVerb},
	{Name: "XMKD", Syntax: "<sp> pathname", Argument: RequiredPathname, Right: wasi.RightMkdir,
		Section: "RFC 1123 §4.1.3.1", run: (*session).mkdVerb},
	{Name: "RMD", Syntax: "<sp> pathname", Argument: RequiredPathname, Right: wasi.RightDelete,
		Section: "RFC 959 §4.1.3", run: (*session).rmdVerb},
	{Name: "XRMD", Syntax: "<sp> pathname", Argument: RequiredPathname, Right: wasi.RightDelete,
		Section: "RFC 1123 §4.1.3.1", run: (*session).rmdVerb},
	{Name: "PWD", Neutral: true, Section: "RFC 959 §4.1.3", run: (*session).pwdVerb},
	{Name: "XPWD", Neutral: true, Section: "RFC 1123 §4.1.3.1", run: (*session).pwdVerb},
	{Name: "SIZE", Syntax: "<sp> pathname", Argument: RequiredPathname, Neutral: true, Feature: "SIZE",
		Section: "RFC 3659 §4", run: (*session).sizeVerb},
	{Name: "MDTM", Syntax: "[<sp> YYYYMMDDHHMMSS] <sp> pathname", Argument: RequiredPathname, Neutral: true,
		Feature: "MDTM", Right: wasi.RightWrite, useful: (*session).always, Section: "RFC 3659 §3",
		run: (*session).mdtmVerb},
	{Name: "MFMT", Syntax: "<sp> YYYYMMDDHHMMSS <sp> pathname", Argument: RequiredPathname, Feature: "MFMT",
		Right: wasi.RightWrite, Able: wasi.AbleTimes, Section: "draft-somers-ftp-mfxx §3", run: (*session).mfmtVerb},
	{Name: "SITE", Syntax: "<sp> command [<sp> argument]", Argument: RequiredPathname, Section: "RFC 959 §4.1.3",
		run: (*session).siteVerb},
	{Name: "COMB", Syntax: `<sp> target 1*(<sp> part), names with spaces "quoted"`, Argument: RequiredPathname,
		Needs: NeedCombine, Naming: true, Feature: "COMB", Right: wasi.RightRead | wasi.RightWrite | wasi.RightDelete,
		Able: wasi.AbleUpload, Section: "by practice", run: (*session).combVerb},
	{Name: "MFF", Syntax: "<sp> *(Modify=YYYYMMDDHHMMSS; | UNIX.mode=mode;) <sp> pathname",
		Argument: RequiredPathname, Feature: "MFF", Right: wasi.RightWrite, useful: (*session).changes,
		details: (*session).appendChangeable, Section: "draft-somers-ftp-mfxx §5", run: (*session).mffVerb},
	{Name: "AVBL", Syntax: "[<sp> pathname]", Argument: OptionalPathname, Neutral: true, Needs: NeedSpace,
		Feature: "AVBL", Right: wasi.RightWrite, Able: wasi.AbleSpace,
		Section: "draft-peterson-streamlined-ftp-command-extensions §4", run: (*session).avblVerb},

	// Hashes.
	{Name: "HASH", Syntax: "<sp> pathname", Argument: RequiredPathname, Needs: NeedHash, Feature: "HASH",
		details: (*session).appendAlgorithms, Right: wasi.RightRead, Section: "draft-bryan-ftpext-hash §3",
		run: (*session).hashVerb},
	{Name: "XCRC", Syntax: sumSyntax, Argument: RequiredPathname, Needs: NeedHash, Feature: "XCRC",
		Right: wasi.RightRead, Section: "by practice", run: sumVerb(wasi.HashCRC32)},
	{Name: "XMD5", Syntax: sumSyntax, Argument: RequiredPathname, Needs: NeedHash, Feature: "XMD5",
		Right: wasi.RightRead, Section: "by practice", run: sumVerb(wasi.HashMD5)},
	{Name: "XSHA1", Syntax: sumSyntax, Argument: RequiredPathname, Needs: NeedHash, Feature: "XSHA1",
		Right: wasi.RightRead, Section: "by practice", run: sumVerb(wasi.HashSHA1)},
	{Name: "XSHA256", Syntax: sumSyntax, Argument: RequiredPathname, Needs: NeedHash, Feature: "XSHA256",
		Right: wasi.RightRead, Section: "by practice", run: sumVerb(wasi.HashSHA256)},
	{Name: "XSHA512", Syntax: sumSyntax, Argument: RequiredPathname, Needs: NeedHash, Feature: "XSHA512",
		Right: wasi.RightRead, Section: "by practice", run: sumVerb(wasi.HashSHA512)},

	// What the server is and can do.
	{Name: "SYST", NoLogin: true, Neutral: true, Section: "RFC 959 §4.1.3", run: (*session).systVerb},
	{Name: "FEAT", NoLogin: true, Neutral: true, Section: "RFC 2389 §3", run: (*session).featVerb},
	{Name: "OPTS", Syntax: "<sp> UTF8 ON | MLST facts | HASH algorithm | MODE Z LEVEL level",
		Argument: RequiredArgument, NoLogin: true, Neutral: true, Feature: "UTF8", Section: "RFC 2389 §4",
		run: (*session).optsVerb},
	{Name: "HELP", Syntax: "[<sp> command]", Argument: OptionalArgument, NoLogin: true, Neutral: true,
		Section: "RFC 959 §4.1.3", run: (*session).helpVerb},
	{Name: "NOOP", NoLogin: true, AtOnce: true, Neutral: true, Section: "RFC 959 §4.1.3", run: (*session).noopVerb},
	{Name: "CLNT", Syntax: "<sp> program", Argument: OptionalArgument, NoLogin: true, Neutral: true,
		Feature: "CLNT", Section: "by practice", run: (*session).clntVerb},
	{Name: "CSID", Syntax: "<sp> *(name=value;)", Argument: OptionalArgument, NoLogin: true, Neutral: true,
		Feature: "CSID", Section: "draft-peterson-streamlined-ftp-command-extensions §7", run: (*session).csidVerb},
	{Name: "LANG", Syntax: "[<sp> EN]", Argument: OptionalArgument, NoLogin: true, Neutral: true,
		Feature: "LANG EN*", Section: "RFC 2640 §4", run: (*session).langVerb},
}

// verbKey packs a verb of up to eight bytes into a number, whatever the case of its letters.
// The first byte is the lowest, and spaces fill the rest. 0 is no verb.
func verbKey(verb []byte) uint64 {
	if len(verb) > 8 || bytes.IndexByte(verb, ' ') >= 0 {
		return 0
	}
	var b [8]byte
	copy(b[copy(b[:], verb):], "        ")
	return upperCase(binary.LittleEndian.Uint64(b[:]))
}

// upperCase makes capitals of the ASCII letters among eight bytes.
func upperCase(word uint64) uint64 {
	ascii := word &^ highs
	fromA, behindZ := ascii+lows*(0x80-'a'), ascii+lows*(0x7f-'z')
	return word ^ (fromA^behindZ)&^word&highs>>2
}

// verbIndex finds verbs by their keys. It is a hash table with open addressing; few verbs
// are not in the first slot that is looked at.
type verbIndex [256]struct {
	key  uint64 // 0 in an empty slot
	verb *Verb
}

// home is the slot where the search for a key begins.
func (*verbIndex) home(key uint64) uint8 { return uint8(key * 0x9e3779b97f4a7c15 >> 56) }

// get is the row of a verb, nil for an unknown one.
func (x *verbIndex) get(key uint64) *Verb {
	for i := x.home(key); ; i++ {
		if slot := &x[i]; slot.key == key || slot.key == 0 {
			return slot.verb
		}
	}
}

func (x *verbIndex) add(v *Verb) {
	key := verbKey([]byte(v.Name))
	i := x.home(key)
	for x[i].key != 0 {
		i++
	}
	x[i].key, x[i].verb = key, v
}

// cutCommand cuts a line into verb and argument, and makes the verb's key. Spaces before
// the verb are tolerated, and so are bytes that a Telnet Synch left there: a client's ABOR
// comes glued to them.
func cutCommand(line []byte) (key uint64, verb, arg []byte) {
	for len(line) > 0 && (line[0] == ' ' || line[0] >= telnetMin) {
		line = line[1:]
	}
	// Most lines end far before the end of their buffer: eight bytes can be looked at.
	if all := line[:cap(line)]; len(all) >= 8 {
		word := binary.LittleEndian.Uint64(all)
		if len(line) < 8 {
			rest := ^uint64(0) << (8 * len(line))
			word = word&^rest | blanks&rest
		}
		space := word ^ blanks
		if found := (space - lows) &^ space & highs; found != 0 {
			end := bits.TrailingZeros64(found) / 8
			rest := ^uint64(0) << (8 * end)
			key = upperCase(word&^rest | blanks&rest)
			if end < len(line) {
				arg = line[end+1:]
			}
			return key, line[:end], arg
		}
	}
	verb, arg, _ = bytes.Cut(line, []byte{' '})
	return verbKey(verb), verb, arg
}

// row is the row of a verb, and its argument. Behind SITE it is the row of SITE's command,
// and the argument of that. An unknown verb has no row: nil.
func (e *Engine) row(key uint64, arg []byte) (*Verb, []byte) {
	v := e.index.get(key)
	if v == e.site {
		word, rest, _ := bytes.Cut(arg, []byte{' '})
		for i := range e.sites {
			if isWord(word, e.sites[i].Name) {
				return &e.sites[i], rest
			}
		}
	}
	return v, arg
}

// answersNow reports whether a line that came during a transfer is to be obeyed at once.
// Commands keep their order: once a line is held, all that follow are held too, unless
// they interrupt the transfer.
func (s *session) answersNow(line []byte) bool {
	key, verb, arg := cutCommand(trimLine(line))
	v := s.e.index.get(key)
	switch {
	case v == nil:
		return len(verb) == 0
	case v.Interrupts:
		return s.transfer.state < transferCommitting
	}
	return s.held == 0 && v.AtOnce && len(arg) == 0
}

// obey carries out one line. It returns ErrAgain if the command waits, else nil.
func (s *session) obey(line []byte) error {
	key, word, arg := cutCommand(line)
	if len(word) == 0 {
		return nil
	}
	v, arg := s.e.row(key, arg)
	err := s.check(v, word, arg)
	if err == nil {
		err = v.run(s, arg)
	}
	if err == ErrAgain {
		return err
	}
	if err != nil {
		s.say(replyTo(err, v != nil && v.Naming))
	}
	if v != nil && !v.Neutral {
		// REST and RNFR are for the next command alone (RFC 959 §4.1.3, RFC 3659 §5.3).
		if !v.Prepares {
			s.preparation.reset()
		}
		s.rest, s.until = 0, 0
	}
	return nil
}

// check refuses a command that its verb need not see: one that is unknown, that comes too
// early, that is not offered here, or whose argument is not of the verb's kind.
func (s *session) check(v *Verb, word, arg []byte) error {
	if v == nil {
		return s.unknown(word)
	}
	if !v.NoLogin && s.login != loginDone {
		return s.stranger(replyNotLoggedIn)
	}
	if len(arg) > 0 && bytes.IndexByte(arg, 0) >= 0 {
		return replyBadArgument
	}
	if !s.e.offers(v) {
		return s.e.refusal(v)
	}
	return v.checkArgument(arg)
}

// checkArgument refuses an argument that is not of the verb's kind.
func (v *Verb) checkArgument(arg []byte) error {
	switch v.Argument {
	case NoArgument:
		if len(bytes.TrimLeft(arg, " ")) > 0 {
			return replyNoArgument
		}
	case RequiredArgument, RequiredPathname:
		if len(arg) == 0 {
			return replyNeedArgument
		}
	}
	if v.Word && bytes.IndexByte(bytes.TrimRight(arg, " "), ' ') >= 0 {
		return replyOneWord
	}
	return nil
}

// offers reports whether the engine implements a verb and has what it needs.
func (e *Engine) offers(v *Verb) bool { return v.run != nil && v.Needs&^e.has == 0 }

// refusal is the reply to a verb that the engine does not offer.
func (e *Engine) refusal(v *Verb) error {
	switch lacks := v.Needs &^ e.has; {
	case lacks&needAllowed != 0:
		return replyTurnedOff
	case lacks == NeedActive:
		return replyPassiveOnly
	}
	return replyNotImplemented
}

// serves reports whether a verb can do anything for the session's account or, before the
// login, for some account.
func (s *session) serves(v *Verb) bool {
	switch {
	case !s.e.offers(v) || v.Announces&^s.e.has != 0:
		return false
	case s.login != loginDone:
		return true
	case v.useful != nil:
		return v.useful(s)
	}
	return s.rights&v.Right == v.Right && s.able&v.Able == v.Able
}

func (s *session) transfers() bool { return s.rights&(wasi.RightRead|wasi.RightWrite) != 0 }
func (s *session) changes() bool {
	return s.rights&wasi.RightWrite != 0 && s.able&(wasi.AbleTimes|wasi.AbleModes) != 0
}

// always is for MDTM, which tells a time even to an account that may set none.
func (s *session) always() bool { return true }

// maxStrange is the number of bad commands before the login at which a session ends: unknown
// ones, and those that come too early, such as PASS before USER.
const maxStrange = 10

// stranger counts a bad command before the login. It returns r or, if there were too many,
// the reply that ends the session.
func (s *session) stranger(r error) error {
	if s.login == loginDone {
		return r
	}
	if s.strange++; s.strange < maxStrange {
		return r
	}
	return replyTooStrange
}

// foreignVerbs are commands of HTTP and SMTP. A client that sends one is a browser or a
// mailer that an attacker has led here (CVE-2021-3618).
var foreignVerbs = []string{"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "TRACE", "DELETE", "PATCH", "PRI",
	"EHLO", "HELO", "LHLO"}

func (s *session) unknown(word []byte) error {
	if s.login == loginDone {
		return replyUnknownVerb
	}
	sent := func(verb string) bool { return bytes.EqualFold(word, []byte(verb)) }
	if bytes.HasPrefix(word, []byte("SSH-")) || slices.ContainsFunc(foreignVerbs, sent) {
		return replyNotFTP
	}
	return s.stranger(replyUnknownVerb)
}
