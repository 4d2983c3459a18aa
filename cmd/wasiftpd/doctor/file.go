package doctor

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// fileChecks move a test file to the server and back, and remove it.
var fileChecks = []Check[*exam]{
	{
		Name: "upload", Tried: "STOR of a file of 256 KiB with a name of its own", Needs: needsChanges, Run: upload,
		Verdicts: map[string]Verdict{
			"denied": {
				Level: Note, Means: "This user may not write here, or not a file of this name.",
				Do:  "If the user should: change the user's rights and the rules; on the server, the owner of the folder.",
				Set: `rights = "rw"`,
			},
			"unwritable": {
				Level: Fault, Means: "The configuration lets this user write, and the system does not let the server.",
				Do: "Give {folder} to the user that the server runs as, by chown; under systemd name it in ReadWritePaths= of the " +
					"unit, too. The server's log has what the system said.",
			},
			"full": {
				Level: Fault, Means: "The disk is full, or the user's quota is used up.", Do: "Make room, or raise the quota.",
				Set: `quota-per-user = "10G"`,
			},
			"stalled": stalled,
		},
	},
	{
		Name: "listing", Tried: "a listing with the uploaded file in it", Needs: needsFile, Run: listing,
		Verdicts: map[string]Verdict{
			"denied": {Level: Note, Means: "This user may not list (a drop box), so clients see an empty folder or an error.",
				Do: "Nothing, if that is meant so."},
			"missing": {Level: Warning, Means: "Clients believe that the upload failed, and send the file again.", Do: "Look for a " +
				"filter of names, or a cache, on the server."},
		},
	},
	{
		Name: "clock", Tried: "MDTM of the uploaded file, compared with this machine's clock", Needs: needsFile, Run: clock,
		Verdicts: map[string]Verdict{
			"unsupported": {Level: Note, Means: "Clients can't tell which of two files is newer.", Do: "Nothing, unless mirrors are " +
				"made."},
			"zone": {
				Level: Fault, Means: "The server tells local time. MDTM is in UTC (RFC 3659 section 2.3); mirrors copy all again, or " +
					"miss changes.",
				Do: "Have the server tell UTC, or set its time zone.",
			},
			"skewed": {
				Level: Fault, Means: "One of the two clocks is wrong. Mirrors copy too much or too little, and certificates seem " +
					"expired or not yet valid.",
				Do: "Set the clock by NTP: timedatectl set-ntp true, or chrony.",
			},
		},
	},
	{
		Name: "download", Tried: "RETR of the uploaded file, compared byte by byte", Needs: needsFile, Run: download,
		Verdicts: map[string]Verdict{
			"denied": {Level: Note, Means: "This user may not read (a drop box).", Do: "Nothing, if that is meant so."},
			"differs": {
				Level: Fault, Means: "What comes back is not what was sent: line ends were changed (TYPE A), or something on the way " +
					"changes or cuts files.",
				Do: "Try again under TLS: if it is right then, something on the way is to blame, else the server.",
			},
			"stalled": stalled,
		},
	},
	{
		Name: "rename", Tried: "RNFR and RNTO of the uploaded file", Needs: needsFile, Run: rename,
		Verdicts: map[string]Verdict{
			"denied": {
				Level: Note, Means: renameDenied,
				Do: "If the user should: add rename to the user's rights and leave the others; look at the rules and, on the server, " +
					"the owner of the folder.",
			},
			"lacking": {
				Level: Note, Means: renameDenied, Do: "If the user should, add the right rename.", Set: `rights = "{rights}"`,
			},
		},
	},
	{
		Name: "delete", Tried: "DELE of the test file", Needs: needsLeft, Cleans: true, Run: remove,
		Verdicts: map[string]Verdict{
			"left": {
				Level: Warning, Means: "The test file is still on the server.", Do: "Remove {name} by hand; this user may not, or the " +
					"session was lost.",
			},
		},
	},
}

const renameDenied = "This user may not rename. Clients that upload under another name first (.part) fail."

var stalled = Verdict{
	Level: Fault, Means: "Small packets pass and large ones don't (a wrong MTU on a VPN or tunnel, with ICMP dropped), or the " +
		"path is very slow.",
	Do: "Let ICMP \"fragmentation needed\" through, or clamp the MSS on the router: nft add rule inet filter forward tcp flags " +
		"syn " +
		"tcp option maxseg size set rt mtu.",
}

func needsChanges(x *exam) string {
	switch {
	case x.loggedIn && x.method == "":
		return "No data connection works."
	case x.method == "":
		return NotHere
	case x.ReadOnly:
		return "--read-only: nothing is changed on the server."
	}
	return ""
}

func needsFile(x *exam) string {
	if x.uploaded.IsZero() {
		return NotHere
	}
	return ""
}

func needsLeft(x *exam) string {
	if x.file == "" {
		return NotHere
	}
	return ""
}

func upload(ctx context.Context, x *exam) []Outcome {
	x.file = x.names + ".tmp" // from now on it may be there
	began := time.Now()
	send := func(conn net.Conn) (int64, error) {
		n, err := conn.Write(x.content)
		return int64(n), err
	}
	t := x.transfer(ctx, way{method: x.method, move: send}, "STOR "+x.file)
	took := time.Since(began)
	switch {
	case t.stage == stageDone:
		x.uploaded = time.Now()
		return One("ok", fmt.Sprintf("%d bytes in %s.", t.moved, brief(took)))
	case t.err == nil && t.reply.is(452, 552):
		return One("full", t.reply.String())
	case t.err == nil && t.stage == stageCommand && t.reply.is(5):
		x.file = ""
		if x.Told.Writable != "" {
			return One("unwritable", t.reply.String(), "folder", x.Told.Writable)
		}
		return One("denied", t.reply.String())
	case t.err != nil && t.stage >= stageMove && kindOf(t.err) == "silent":
		return One("stalled", fmt.Sprintf("After %d of %d bytes nothing moved within %v.", t.moved, len(x.content), 3*x.Step))
	}
	return t.failed("STOR")
}

func download(ctx context.Context, x *exam) []Outcome {
	var got []byte
	began := time.Now()
	read := func(conn net.Conn) (n int64, err error) {
		got, err = io.ReadAll(io.LimitReader(conn, int64(len(x.content))+1))
		return int64(len(got)), err
	}
	t := x.transfer(ctx, way{method: x.method, move: read}, "RETR "+x.file)
	took := time.Since(began)
	switch {
	case t.err == nil && t.stage == stageCommand && t.reply.is(5):
		return One("denied", t.reply.String())
	case t.err != nil && t.stage == stageMove && kindOf(t.err) == "silent":
		return One("stalled", fmt.Sprintf("After %d of %d bytes nothing came within %v.", t.moved, len(x.content), 3*x.Step))
	case t.stage == stageDone && bytes.Equal(got, x.content):
		return One("ok", fmt.Sprintf("%d bytes in %s, the same as were sent.", len(got), brief(took)))
	case t.stage == stageDone, t.stage == stageEnd && len(got) > len(x.content):
		return One("differs", fmt.Sprintf("%d bytes were sent, and %d came back; the first %d are the same.",
			len(x.content), len(got), same(got, x.content)))
	}
	return t.failed("RETR")
}

// same is how many bytes two slices have in common at their beginnings.
func same(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func listing(ctx context.Context, x *exam) []Outcome {
	line := "LIST"
	if x.has("MLST") {
		line = "MLSD"
	}
	found, lines := false, 0
	read := func(conn net.Conn) (int64, error) {
		scan := bufio.NewScanner(io.LimitReader(conn, longestListing))
		for scan.Scan() {
			lines++
			found = found || strings.HasSuffix(scan.Text(), x.file)
		}
		return 0, scan.Err()
	}
	t := x.transfer(ctx, way{method: x.method, move: read}, line)
	switch {
	case t.err == nil && t.stage == stageCommand && t.reply.is(4, 5):
		return One("denied", t.reply.String())
	case found:
		return One("ok", fmt.Sprintf("%s brings %d lines, the file is among them.", line, lines))
	case t.stage == stageDone:
		return One("missing", fmt.Sprintf("%s brings %d lines, and the file is not among them.", line, lines))
	}
	return t.failed(line)
}

// exact is how far two clocks may be apart.
const exact = 2 * time.Minute

func clock(ctx context.Context, x *exam) []Outcome {
	r, err := x.do(ctx, "MDTM "+x.file)
	switch {
	case err != nil:
		return failed("MDTM", err)
	case !r.is(213):
		return One("unsupported", r.String())
	}
	digits, _, _ := strings.Cut(strings.TrimSpace(r.text), ".")
	at, err := time.ParseInLocation("20060102150405", digits, time.UTC)
	if err != nil {
		return One("odd", "MDTM: "+r.String())
	}
	off := at.Sub(x.uploaded)
	happened := fmt.Sprintf("The server dates the file %s; here it is %s (UTC).", at.Format(time.DateTime),
		x.uploaded.UTC().Format(time.DateTime))
	const quarter = 15 * time.Minute // no time zone is between two
	switch {
	case off.Abs() < exact:
		return One("ok", "The clocks agree to "+exact.String()+".")
	case off.Abs() < 15*time.Hour && (off-off.Round(quarter)).Abs() < exact:
		return One("zone", happened)
	}
	return One("skewed", happened)
}

func rename(ctx context.Context, x *exam) []Outcome {
	to := x.names + "-2.tmp"
	r, err := x.do(ctx, "RNFR "+x.file)
	if err == nil && r.is(350) {
		r, err = x.do(ctx, "RNTO "+to)
	}
	switch {
	case err != nil:
		return failed("RNFR and RNTO", err)
	case !r.is(2) && x.Told.Rights != "" && !slices.Contains(strings.Split(x.Told.Rights, ","), "rename"):
		return One("lacking", r.String(), "rights", x.Told.Rights+",rename")
	case !r.is(2):
		return One("denied", r.String())
	}
	x.file = to
	return One("ok", r.String())
}

func remove(ctx context.Context, x *exam) []Outcome {
	name := x.file
	r, err := x.do(ctx, "DELE "+name)
	switch {
	case err == nil && r.is(2):
		x.file = ""
		return One("ok", r.String())
	case err == nil && r.is(550) && x.uploaded.IsZero() && name == x.names+".tmp":
		x.file = ""
		return One("ok", "The broken upload has left no file: "+r.String())
	case err != nil:
		return One("left", "DELE: "+inWords(err)+".", "name", name)
	}
	return One("left", r.String(), "name", name)
}
