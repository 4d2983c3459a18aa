package admin

import (
	"time"

	"wasiftp/host"
)

// Status is what the server is and does, the answer to GET /v1/status.
type Status struct {
	Name      string    `json:"name"` // of the machine
	Version   string    `json:"version"`
	PID       int       `json:"pid"`
	Began     time.Time `json:"began"`
	State     string    `json:"state"` // "serving" or "draining"
	Listeners []string  `json:"listeners"`

	Totals
	Bans int `json:"bans"`

	Certificates []Certificate `json:"certificates"`
	Disks        []Disk        `json:"disks"`
}

// Totals are numbers of all sessions together.
type Totals struct {
	Sessions  int   `json:"sessions"`
	LoggedIn  int   `json:"logged_in"`
	Transfers int   `json:"transfers"` // sessions that up- or download at this moment
	Sent      int64 `json:"sent"`      // bytes of files since the start
	Received  int64 `json:"received"`
}

// Certificate is one that clients are shown.
type Certificate struct {
	Names []string  `json:"names"`
	Until time.Time `json:"until"`
	Days  int       `json:"days"` // that are left; negative once it has expired
}

// Disk is the space where a served folder is.
type Disk struct {
	Folder string `json:"folder"`
	Free   int64  `json:"free"`            // bytes that the server may still write
	Error  string `json:"error,omitempty"` // why Free is not known
}

// Session is a session as it was at some moment.
type Session struct {
	ID       uint64    `json:"id"`
	User     string    `json:"user,omitempty"`
	Client   string    `json:"client"`
	Server   string    `json:"server"`
	Host     string    `json:"host,omitempty"`
	Program  string    `json:"program,omitempty"` // what the client calls its own
	TLS      string    `json:"tls,omitempty"`     // its version, as in "1.3"
	Began    time.Time `json:"began"`
	Sent     int64     `json:"sent"` // bytes of files, those of the transfer under way too
	Received int64     `json:"received"`
	Doing    string    `json:"doing,omitempty"` // list, download, upload, hash, copy
	Path     string    `json:"path,omitempty"`
	Bytes    int64     `json:"bytes,omitempty"` // of what it does
}

func sessionOf(s host.Session) Session {
	a := Session{
		ID: s.Number, User: s.Account, Client: s.Client.String(), Server: s.Server.String(), Host: s.Host, Program: s.Program,
		TLS: host.TLSVersionName(s.TLSVersion), Began: s.Began, Sent: s.Sent, Received: s.Received,
		Doing: s.Doing, Path: s.Path, Bytes: s.Bytes,
	}
	switch s.Doing {
	case "download":
		a.Sent += s.Bytes
	case "upload":
		a.Received += s.Bytes
	}
	return a
}

// User is an account that the server knows by itself. Those of LDAP, SQL and the like are not
// listed, but can be locked.
type User struct {
	Name     string `json:"name"`
	Rights   string `json:"rights"`
	Root     string `json:"root"`
	Locked   bool   `json:"locked"`
	Sessions int    `json:"sessions"`
}

// Ban is a network that is turned away.
type Ban struct {
	Network  string    `json:"network"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
	Failures int       `json:"failures"` // logins that it came of; 0 is a ban by hand
	Nth      int       `json:"nth"`      // which one of the network it is
	Refused  int       `json:"refused"`  // connections and logins since then
}

// Quota is what a user stores. A limit of 0 is none.
type Quota struct {
	User      string `json:"user"`
	Bytes     int64  `json:"bytes"`
	Files     int64  `json:"files"`
	MaxBytes  int64  `json:"max_bytes"`
	MaxFiles  int64  `json:"max_files"`
	Uncertain bool   `json:"uncertain,omitempty"` // not counted since the server crashed
}

// Reload is the outcome of POST /v1/reload.
type Reload struct {
	Loaded []string `json:"loaded"` // what has changed and counts now
	Faults []string `json:"faults"` // of what stays as it was
}

// Health says whether the server takes new sessions.
type Health struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons,omitempty"` // why it is not
}

// Rates are bytes and sessions over time.
type Rates struct {
	Seconds int     `json:"seconds"` // between two points
	Points  []Point `json:"points"`  // the oldest first
}

// Point is one moment of [Rates].
type Point struct {
	Time     time.Time `json:"time"`
	Sent     float64   `json:"sent"`     // bytes a second of files
	Received float64   `json:"received"` // likewise
	Sessions int       `json:"sessions"`
}
