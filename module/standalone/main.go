package standalone

import (
	"errors"
	"net/netip"
	"os"
	"strconv"

	"wasiftp/fsbridge"
	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

// Main runs a standalone server and returns only if that does not start, with the exit
// code. connect makes the runtime's network; its error tells of a fault of the settings, or
// of the way the program was started.
func Main(connect func(Settings) (Network, error)) int {
	settings, err := ReadSettings(os.Environ())
	if err != nil {
		return fail(exitUsage, err)
	}
	network, err := connect(settings)
	if err != nil {
		return fail(exitUsage, err)
	}
	dir, err := fsbridge.OpenDir("/", fsbridge.DirOptions{})
	if err != nil {
		return fail(exitUsage, errors.New("there is no folder to serve: have the runtime open one as /"))
	}
	w := newWorld(network, settings, dir)
	addresses, err := w.start()
	if err != nil {
		return fail(exitFailure, err)
	}
	w.announce(addresses)
	for {
		w.step()
	}
}

func fail(code int, err error) int {
	os.Stderr.WriteString(err.Error() + "\n")
	return code
}

// start opens the listeners for control connections. It returns their addresses, none if
// the runtime has opened them and does not tell.
func (w *world) start() ([]netip.AddrPort, error) {
	if p, ok := w.network.(Preopened); ok {
		for _, socket := range p.Control() {
			w.watch(&endpoint{socket: socket, reading: true}, nil, 0)
		}
		return nil, nil
	}
	var addresses []netip.AddrPort
	for _, at := range w.settings.Listen {
		socket, got, err := w.network.Listen(at)
		if err != nil && at.Addr() == netip.IPv6Unspecified() && len(addresses) > 0 {
			continue // the IPv4 listener accepts IPv6 too, or there is no IPv6
		}
		if err != nil {
			return nil, errors.New("cannot listen at " + at.String() + ": " + err.Error() + "; choose another " +
				"address with WASIFTP_LISTEN, or have the runtime allow it")
		}
		w.watch(&endpoint{socket: socket, reading: true}, nil, 0)
		addresses = append(addresses, got)
	}
	return addresses, nil
}

// announce prints where clients reach the server, and who may do what.
func (w *world) announce(addresses []netip.AddrPort) {
	say := func(text string) { os.Stdout.WriteString(text + "\n") }
	for _, at := range addresses {
		if at.Addr().IsUnspecified() {
			at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
		}
		say("ftp://" + at.String() + "/")
	}
	if p := w.settings.Passive; len(addresses) == 0 {
		say("FTP where the runtime listens; passive data connections at " + p.Address.String() + ", ports " +
			strconv.Itoa(int(p.First)) + " to " + strconv.Itoa(int(p.Last)) + ".")
	}
	if w.settings.Anonymous != 0 {
		say("Anyone may " + verbs(w.settings.Anonymous) + ", as anonymous.")
	}
	for _, u := range w.settings.Users {
		say(u.Name + " may " + verbs(u.Rights) + ".")
	}
}

func verbs(rights ftp.Rights) string {
	if rights&^wasi.ReadOnly != 0 {
		return "read and write"
	}
	return "read"
}
