package ftp

import "cmp"

// reply is a reply of one line: code and text, without the line's end. It is an
// error as well, so that an error can carry the reply that the client gets.
type reply string

func (r reply) Error() string { return string(r) }

// The replies, named by what has happened.
const (
	replyGreeting       = reply("220 FTP server ready.")
	replyNoHost         = reply("504 No such host here.")
	replyTooLate        = reply("503 Too late: USER was said.")
	replyGoodbye        = reply("221 Goodbye.")
	replyDraining       = reply("421 The server is going down.")
	replyDrained        = reply("421 The server ends this session.")
	replyNotFTP         = reply("421 This is an FTP server.")
	replyTooStrange     = reply("421 Too many bad commands.")
	replyLoginTimeout   = reply("421 Login timed out.")
	replyIdleTimeout    = reply("421 Idle for too long, closing the control connection.")
	replyLineTooLong    = reply("500 Line too long.")
	replyUnknownVerb    = reply("500 Unknown command.")
	replyNotImplemented = reply("502 Command not implemented.")
	replyTurnedOff      = reply("502 Turned off here.")
	replyPassiveOnly    = reply("502 This server cannot connect to clients: use PASV or EPSV.")
	replyBadArgument    = reply("501 Bad argument.")
	replyNeedArgument   = reply("501 Argument needed.")
	replyNoArgument     = reply("501 No argument allowed.")
	replyOneWord        = reply("501 One word is wanted.")
	replyNotLoggedIn    = reply("530 Log in with USER and PASS first.")
	replyNeedPassword   = reply("331 Password please.")
	replyLoggedIn       = reply("230 Logged in.")
	replyNeedUser       = reply("503 Use USER first.")
	replyLoginFailed    = reply("530 Login incorrect.")
	replyLoginFull      = reply("421 Too many sessions of this account, try again later.")
	replyLoginFailures  = reply("421 Too many failed logins.")
	replyLoginFault     = reply("451 Logging in failed on the server's side.")
	replyOK             = reply("200 OK.")
	replySystem         = reply("215 UNIX Type: L8")
	replyDirChanged     = reply("250 Directory changed.")
	replyTypeASCII      = reply("200 Type is ASCII.")
	replyTypeImage      = reply("200 Type is image.")
	replyBadParameter   = reply("504 Not with that parameter.")
	replyEPSVAll        = reply("200 EPSV ALL it is.")
	replyOnlyEPSV       = reply("503 Only EPSV after EPSV ALL.")
	replyBadFamily      = reply("522 Network protocol not supported, use (1,2).")
	replyOnlyIPv4       = reply("522 Not on this connection, use (1).")
	replyOnlyIPv6       = reply("522 Not on this connection, use (2).")
	replyUseEPSV        = reply("425 PASV is for IPv4 only, use EPSV.")
	replyNoPort         = reply("425 No data port is free, try again later.")
	replyNoNetwork      = reply("425 This connection is no TCP connection: no data connection can be made.")
	replyNeedData       = reply("425 Use PASV or PORT first.")
	replyNoData         = reply("425 Data connection could not be opened.")
	replyDataTimeout    = reply("425 Data connection did not come in time.")
	replyDataBusy       = reply("425 More than one data connection came: none is trusted.")
	replyOpeningList    = reply("150 Opening data connection for the listing.")
	replyStatusFollows  = reply("213-Status follows:")
	replyStatusEnd      = reply("213 End of status.")
	replyStatusBroken   = reply("213 Not all could be read: the status is incomplete.")
	replyNotListable    = reply("501 Not a directory.")
	replyPatternTooLong = reply("501 Pattern too long.")
	replyPatternCost    = reply("451 Pattern too costly, listing given up.")
	replyTransferDone   = reply("226 Transfer complete.")
	replyListsFull      = reply("450 Too many listings at once, try again later.")
	replyListDone       = reply("226 Listing complete.")
	replyListCut        = reply("451 Not all could be read: the listing is incomplete.")
	replyAborted        = reply("426 Transfer aborted.")
	replyDataLost       = reply("426 Data connection broke, transfer aborted.")
	replyStalled        = reply("426 Data connection stalled, transfer aborted.")
	replyTransferFault  = reply("451 Storage failed, transfer aborted.")
	replyTransferSpace  = reply("452 No space left, transfer aborted.")
	replyTransferQuota  = reply("552 Quota used up, transfer aborted.")
	replyBadRestart     = reply("554 Restart marker past the end of the file.")
	replyPastRange      = reply("554 More bytes than the range has, transfer aborted.")
	replyWholeFile      = reply("350 No range: the whole file.")
	replyNoAlgorithm    = reply("501 No such hash function.")
	replyNoASCIISize    = reply("550 SIZE is not to be had under TYPE A.")
	replyNoASCIIRest    = reply("504 No part of a file is to be had under TYPE A.")
	replyNoFiles        = reply("550 No files found.")
	replyNoIdle         = reply("200 No limit to idle time.")
	replyNotPlain       = reply("550 Not a plain file.")
	replyNotDirectory   = reply("550 Not a directory.")
	replyPathTooLong    = reply("501 Pathname too long.")
	replyDenied         = reply("550 Permission denied.")
	replyNotExist       = reply("550 No such file or directory.")
	replyExist          = reply("550 There is such a file already.")
	replyIsDir          = reply("550 Is a directory.")
	replyNotEmpty       = reply("550 Directory not empty.")
	replyBadName        = reply("550 File name not allowed.")
	replyBadNewName     = reply("553 File name not allowed.")
	replyIllegalPort    = reply("500 Illegal PORT command.")
	replyActive         = reply("200 Data port noted.")
	replyNothingToAbort = reply("225 No transfer to abort.")
	replyAbortDone      = reply("226 Data connection closed.")
	replyDeleted        = reply("250 File deleted.")
	replyRemoved        = reply("250 Directory removed.")
	replyNeedRNTO       = reply("350 Use RNTO next.")
	replyNeedRNFR       = reply("503 Use RNFR first.")
	replyNeedCPTO       = reply("350 Use SITE CPTO next.")
	replyNeedCPFR       = reply("503 Use SITE CPFR first.")
	replyCopied         = reply("250 Copied.")
	replyCombined       = reply("250 Combined.")
	replyPartsLeft      = reply("451 Combined, but not every part could be deleted.")
	replyTooManyParts   = reply("501 Too many files are named.")
	replyPartTwice      = reply("501 A file is named twice.")
	replyLinked         = reply("250 Link made.")
	replyServerUmask    = reply("200 Current UMASK is the server's own.")
	replySessionsFollow = reply("211-Sessions:")
	replySessionsEnd    = reply("211 End.")
	replySessionsBroken = reply("211 Not all could be told.")
	replyBadSession     = reply("501 Say which session by its number in SITE WHO.")
	replyOwnSession     = reply("550 That is this session: QUIT ends it.")
	replyRenamed        = reply("250 Renamed.")
	replyNoSuchDir      = reply("553 No such directory.")
	replyNameIsDir      = reply("553 Is a directory.")
	replyNameTaken      = reply("553 There is such a file already.")
	replyModeSet        = reply("200 Mode changed.")
	replyTimeSet        = reply("200 Time changed.")
	replyNoSite         = reply("504 No such SITE command.")
	replyNoHelp         = reply("504 No such command.")
	replyNoOptions      = reply("501 No such option.")
	replyUTF8           = reply("200 Names are sent as they are, as UTF-8 if they are.")
	replyNotUTF8        = reply("200 Names need not be UTF-8.")
	replySuperfluous    = reply("202 Not needed here.")
	replyStructureFile  = reply("200 Structure is file.")
	replyModeStream     = reply("200 Mode is stream.")
	replyModeDeflate    = reply("200 Mode is deflate.")
	replyLevelReset     = reply("200 MODE Z LEVEL is the server's choice.")
	replyClient         = reply("200 Noted.")
	replyServer         = reply("200 Name=wasiftp; DirSep=/;")
	replyEnglish        = reply("200 English it is.")
	replyOnlyEnglish    = reply("504 English only.")
	replyBadLongFamily  = reply("521 Supported address families are (4,6).")
	replyBadFact        = reply("504 Only Modify and UNIX.mode can be set.")
	replySecure         = reply("234 Begin the TLS handshake.")
	replySecureAlready  = reply("503 TLS is on already.")
	replyBadMechanism   = reply("504 Use AUTH TLS.")
	replyNoSecurity     = reply("431 TLS is not to be had now.")
	replyNeedAuth       = reply("503 Use AUTH TLS first.")
	replyNeedPBSZ       = reply("503 Use PBSZ 0 first.")
	replyBufferSize     = reply("200 PBSZ=0")
	replyPrivate        = reply("200 Data connections are protected.")
	replyClear          = reply("200 Data connections are in the clear.")
	replyMustProtect    = reply("534 Data connections must be protected.")
	replyBadProtection  = reply("536 Use PROT P or PROT C.")
	replyStaySecure     = reply("534 The control connection stays protected.")
	replyClearControl   = reply("200 The control connection goes on in the clear.")
	replyJoins          = reply("200 SSCN:CLIENT METHOD")
	replyJoinsNot       = reply("200 SSCN:SERVER METHOD")
	replyNoJoin         = reply("503 Use PROT P first.")
	replyNotSecure      = reply("503 Not under TLS: connect anew.")
	replyNeedSecurity   = reply("530 TLS is required: use AUTH TLS first.")
	replyNeedProtection = reply("521 Data connections must be protected: use PROT P first.")
	replyDataSecurity   = reply("522 TLS on the data connection failed, or does not resume the control connection's session.")
	replyOtherDisk      = reply("553 That name is on another disk: copy there, then delete.")
	replyBusy           = reply("450 File is busy.")
	replyNoSpace        = reply("452 No space left.")
	replyQuota          = reply("552 Quota used up.")
	replyUnsupported    = reply("504 The storage cannot do that.")
	replyTooManyOpen    = reply("450 Too many open files, try again later.")
	replyStorage        = reply("451 Storage failed.")
)

// then is err or, without one, the reply r.
func then(err error, r error) error {
	if err != nil {
		return err
	}
	return r
}

// replies are the replies to faults, each at its [Error].
type replies [ErrStorage + 1]reply

var (
	commandReplies = replies{
		ErrPermission: replyDenied, ErrNotExist: replyNotExist, ErrExist: replyExist, ErrNotDir: replyNotDirectory,
		ErrIsDir: replyIsDir, ErrNotEmpty: replyNotEmpty, ErrName: replyBadName, ErrBusy: replyBusy, ErrNoSpace: replyNoSpace,
		ErrQuota: replyQuota, ErrUnsupported: replyUnsupported, ErrOtherDisk: replyOtherDisk, ErrTooMany: replyTooManyOpen,
	}

	// Of a command that gives a file its name, for which RFC 959 §5.4 has 553.
	namingReplies = replies{
		ErrNotExist: replyNoSuchDir, ErrNotDir: replyNoSuchDir, ErrIsDir: replyNameIsDir, ErrExist: replyNameTaken,
		ErrNotEmpty: replyNameTaken, ErrName: replyBadNewName,
	}

	transferReplies = replies{
		ErrReset: replyDataLost, ErrRefused: replyDataLost, ErrCanceled: replyAborted, ErrTimeout: replyStalled,
		ErrNoSpace: replyTransferSpace, ErrQuota: replyTransferQuota, ErrName: replyPastRange,
	}

	// Of a data connection that could not be opened.
	dataReplies = replies{
		ErrBusy: replyDataBusy, ErrTimeout: replyDataTimeout, ErrTooMany: replyNoPort, ErrSecurity: replyDataSecurity,
	}
)

// replyFrom is err if that is a reply, else its reply in the table, else the other one.
func replyFrom(err error, table *replies, other reply) reply {
	if r, ok := err.(reply); ok {
		return r
	}
	fault, _ := err.(Error)
	return cmp.Or(table[fault], other)
}

// replyTo is the reply to a command that failed with err. naming says that the command
// gives a file its name.
func replyTo(err error, naming bool) reply {
	r := replyFrom(err, &commandReplies, replyStorage)
	if naming {
		r = replyFrom(err, &namingReplies, r)
	}
	return r
}

// replyToTransfer is the reply to a transfer that failed with err.
func replyToTransfer(err error) reply { return replyFrom(err, &transferReplies, replyTransferFault) }

// replyToData is the reply to a transfer whose data connection could not be opened.
func replyToData(err error) reply { return replyFrom(err, &dataReplies, replyNoData) }

// replyToCommit is the reply to an upload that came whole but was not committed: that of a
// command that names a file, as RFC 959 §5.4 has 550 and 553 for STOR. Faults of the data
// connection or of the range can then only be the storage's.
func replyToCommit(err error) reply {
	switch err {
	case ErrReset, ErrRefused, ErrUnsupported:
		err = ErrStorage
	case ErrName:
		return replyBadNewName
	}
	r := replyFrom(err, &commandReplies, replyTransferFault)
	return replyFrom(err, &transferReplies, replyFrom(err, &namingReplies, r))
}

// ofStorage is the error of a transfer whose storage failed with err. Faults of the data
// connection or of the range, which a storage behind a network may report, become
// ErrStorage.
func ofStorage(err error) error {
	switch err {
	case ErrReset, ErrRefused, ErrTimeout, ErrCanceled, ErrSecurity, ErrName, ErrUnsupported, ErrTooMany:
		return ErrStorage
	}
	return err
}

// ofData is the error of a transfer whose data connection failed with err. Faults that
// only a storage has become ErrReset.
func ofData(err error) error {
	if err == ErrTimeout || err == ErrCanceled {
		return err
	}
	return ErrReset
}

// say sends a reply of one line. Whatever the cause, 421 is the last reply of a
// session (RFC 959 §4.2.2).
func (s *session) say(r reply) {
	s.sendLine(append(s.e.scratch[:0], r...))
	if r[:3] == "421" && s.phase < phaseEnding {
		s.phase = phaseEnding
	}
}

// sendLine ends the last line of a reply composed in the engine's scratch
// buffer, and sends it.
func (s *session) sendLine(b []byte) {
	b = append(b, '\r', '\n')
	s.e.scratch = b
	s.send(b)
}
