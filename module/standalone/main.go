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

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

// Main is a standalone server, and goes on for ever. connect makes the runtime's
// network; its error is a fault of the settings, or of how the program was
// started. What Main returns is the exit code.
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
	w.serve()
	return 0
}

func fail(code int, err error) int {
	os.Stderr.WriteString(err.Error() + "\n")
	return code
}

// start has control connections come in. The addresses are those where they do,
// none where the runtime does not tell.
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
			continue // the one for IPv4 takes these too, or there is no IPv6
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

// announce tells whoever started the server where it is and what it exposes.
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
