// Package events tells others what happened in a server: it makes CloudEvents of
// [host.Event]s, keeps them in a [Spool] until they are delivered, and delivers those of each
// user in order.
//
// An [Outbox] is an Observer for a server with [host.Config.SyncObserver]: an event about a
// file is in the spool before the client gets its reply, so that no crash of the process loses
// it. [OpenSpool] keeps the spool in a folder, by SQLite.
package events

import (
	"crypto/tls"
	"encoding/json"
	"math"
	"net/netip"
	"net/url"
	"path/filepath"
	"time"
	"unicode/utf8"

	"wasiftp/host"
)

// ContentType is the media type of what [Encode] returns.
const ContentType = "application/cloudevents+json"

// words are the names of events, in order of their kinds.
var words = [...]string{
	host.Connected: "connect", host.Disconnected: "disconnect", host.Refused: "refuse", host.LoggedIn: "login",
	host.LoginFailed: "login-failed", host.LoggedOut: "logout", host.Downloaded: "download", host.Uploaded: "upload",
	host.UploadFailed: "upload-failed", host.Listed: "list", host.Made: "mkdir", host.Deleted: "delete",
	host.Renamed: "rename", host.Changed: "change", host.Hashed: "hash", host.Copied: "copy", host.Linked: "link",
	host.DataRefused: "data-refused", host.Forbidden: "forbid", host.Banned: "ban",
}

// Word is the stable name of a kind of event, which a hook is given for, as in "upload". It is
// "" for kinds that no hook is told of.
func Word(k host.EventKind) string {
	if int(k) < len(words) {
		return words[k]
	}
	return ""
}

// Words are the names of all kinds that a hook can be told of.
func Words() (all []string) {
	for _, word := range words {
		if word != "" {
			all = append(all, word)
		}
	}
	return all
}

// Data is the data of an event. Fields that do not apply are left out.
//
// JSON has no way to write a name that is not UTF-8. In User, Path, To and File each byte that
// is none becomes U+FFFD, and the name's own bytes stand, in base64, in the field of the same
// name with _base64 behind it, which is there for such names only.
type Data struct {
	Session uint64 `json:"session,omitempty"` // from 1 for the life of the server
	User    string `json:"user,omitempty"`
	Client  string `json:"client,omitempty"` // address and port
	Server  string `json:"server,omitempty"` // those that the client connected to
	Host    string `json:"host,omitempty"`   // the virtual host

	Path   string `json:"path,omitempty"`    // as the user sees it
	To     string `json:"to,omitempty"`      // the other name of a rename, a copy or a link
	File   string `json:"file,omitempty"`    // Path on this machine, if the user's storage is a folder
	ToFile string `json:"to_file,omitempty"` // To on this machine

	Bytes   *int64   `json:"bytes,omitempty"`
	Seconds *float64 `json:"seconds,omitempty"`
	TLS     string   `json:"tls,omitempty"` // of the control connection, as in "TLS 1.3"; left out in the clear
	Error   string   `json:"error,omitempty"`

	Network string     `json:"network,omitempty"` // that is banned
	Until   *time.Time `json:"until,omitempty"`

	Change  string `json:"change,omitempty"`  // of a question: what a change does, as in "rmdir"
	Wait    bool   `json:"wait,omitempty"`    // it is a question, which the answer decides
	Content int    `json:"content,omitempty"` // the descriptor where the upload in question can be read

	UserBytes   []byte `json:"user_base64,omitempty"`
	PathBytes   []byte `json:"path_base64,omitempty"`
	ToBytes     []byte `json:"to_base64,omitempty"`
	FileBytes   []byte `json:"file_base64,omitempty"`
	ToFileBytes []byte `json:"to_file_base64,omitempty"`
}

// Of is the data of an event.
func Of(e host.Event) Data {
	d := Data{
		Session: e.Session, User: e.User, Client: told(e.Client), Server: told(e.Server), Host: e.Host, TLS: version(e.TLSVersion),
	}
	d.Name(e.Folder, e.Path, e.To)
	switch e.Kind {
	case host.Uploaded, host.UploadFailed, host.Downloaded, host.Copied, host.Hashed, host.Disconnected:
		seconds := math.Round(e.Duration.Seconds()*1000) / 1000
		d.Bytes, d.Seconds = &e.Bytes, &seconds
	case host.Linked:
		d.ToFile, d.ToFileBytes = "", nil // what a link leads to need not be there
	}
	if e.Err != nil {
		d.Error = e.Err.Error()
	}
	if e.Ban != nil {
		d.Network, d.Until = e.Ban.Network.String(), &e.Ban.Until
	}
	return d
}

// About is the data about a session.
func About(s host.Session) Data {
	return Data{
		Session: s.Number, User: s.Account, Client: told(s.Client), Server: told(s.Server), Host: s.Host, TLS: version(s.TLSVersion),
	}
}

// Name sets the names of an event. folder is that of the user on this machine, "" for none.
func (d *Data) Name(folder, path, to string) {
	d.Path, d.To = path, to
	if folder == "" {
		return
	}
	if path != "" {
		d.File = filepath.Join(folder, filepath.FromSlash(path))
	}
	if to != "" {
		d.ToFile = filepath.Join(folder, filepath.FromSlash(to))
	}
}

func told(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func version(v uint16) string {
	if v == 0 {
		return ""
	}
	return tls.VersionName(v)
}

// cloudEvent is the JSON format of CloudEvents 1.0, in structured mode.
type cloudEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject,omitempty"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            Data      `json:"data"`
}

// Encode writes a CloudEvent 1.0 in its JSON format. source is a URI reference that names the
// server. The type is "wasiftp." and word, the subject d.Path in percent-encoding, so that it
// can hold any name.
func Encode(id, source, word string, at time.Time, d Data) []byte {
	e := cloudEvent{
		SpecVersion: "1.0", ID: id, Source: source, Type: "wasiftp." + word, Subject: (&url.URL{Path: d.Path}).EscapedPath(),
		Time: at.UTC(), DataContentType: "application/json", Data: d,
	}
	e.Data.UserBytes, e.Data.PathBytes, e.Data.ToBytes = exact(d.User), exact(d.Path), exact(d.To)
	e.Data.FileBytes, e.Data.ToFileBytes = exact(d.File), exact(d.ToFile)
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // a time after the year 9999, of which there are none
	}
	return b
}

// exact is a name that JSON can't write, nil for any other.
func exact(name string) []byte {
	if utf8.ValidString(name) {
		return nil
	}
	return []byte(name)
}
