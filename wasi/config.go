package wasi

import "encoding/binary"

// Config is what the host tells the engine once, at ftp_start. Times are in
// nanoseconds. Zero means what each field says.
//
//	0 i64 login time · 8 i64 idle time · 16 i64 stall time · 24 i64 data time · 32 i64 failure delay
//	40 u32 login failures · 44 u32 line length · 48 u32 flags · 52 u32 length of greeting · 56 greeting
type Config struct {
	LoginTime     int64  // to log in, from the greeting on; 0 is no limit
	IdleTime      int64  // between two commands; 0 is no limit
	StallTime     int64  // without a byte on the data connection; 0 is no limit
	DataTime      int64  // to set up a data connection; 0 is no limit
	FailureDelay  int64  // before the first failed login is answered, doubled for each further one
	LoginFailures uint32 // failed logins after which the session ends with 421; 0 is no limit
	LineLength    uint32 // longest control line in bytes, its end not counted; 0 is the engine's own choice
	ForeignData   bool   // flag 1: data connections may go to other addresses than the client's
	TLS           bool   // flag 2: TLS is offered
	TLSRequired   uint32 // flags 4 and 8, a number: 1 for the login, 2 for the control connection always, 3 for data connections too
	Greeting      string // text of the 220 reply; "" is the engine's own
}

const (
	configSize      = 56
	flagForeignData = 1
	flagTLS         = 2
	shiftRequired   = 2
)

// Append appends the record to b.
func (c Config) Append(b []byte) []byte {
	for _, v := range [...]int64{c.LoginTime, c.IdleTime, c.StallTime, c.DataTime, c.FailureDelay} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	var flags uint32
	if c.ForeignData {
		flags |= flagForeignData
	}
	if c.TLS {
		flags |= flagTLS
	}
	flags |= c.TLSRequired & 3 << shiftRequired
	for _, v := range [...]uint32{c.LoginFailures, c.LineLength, flags, uint32(len(c.Greeting))} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, c.Greeting...)
}

// GetConfig reads the record that fills b. ok is false when b is not exactly
// one record.
func GetConfig(b []byte) (c Config, ok bool) {
	if len(b) < configSize || uint64(len(b)-configSize) != uint64(binary.LittleEndian.Uint32(b[configSize-4:])) {
		return Config{}, false
	}
	for i, p := range [...]*int64{&c.LoginTime, &c.IdleTime, &c.StallTime, &c.DataTime, &c.FailureDelay} {
		*p = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	c.LoginFailures = binary.LittleEndian.Uint32(b[40:])
	c.LineLength = binary.LittleEndian.Uint32(b[44:])
	flags := binary.LittleEndian.Uint32(b[48:])
	c.ForeignData = flags&flagForeignData != 0
	c.TLS = flags&flagTLS != 0
	c.TLSRequired = flags >> shiftRequired & 3
	c.Greeting = string(b[configSize:])
	return c, true
}
