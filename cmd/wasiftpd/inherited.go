package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"wasiftp/host"
)

// implicitSocket is the name (FileDescriptorName=) of sockets for implicit TLS.
const implicitSocket = "implicit-listen"

// inherit makes listeners of the sockets that the service manager has opened (systemd.socket(5)),
// all or none. Then no other address is listened on.
func (o *options) inherit(files []*os.File, logger *slog.Logger) (listeners []listener, err error) {
	for _, f := range files {
		l, err := o.inheritOne(f)
		if err != nil {
			closeAll(listeners)
			return nil, err
		}
		listeners = append(listeners, l)
	}
	if len(o.listen)+len(o.tls.implicit) > 0 {
		logger.Warn("the service manager gives the sockets to listen on; listen and implicit-listen count for nothing. "+
			"Leave them out, or disable the socket unit", "sockets", len(listeners))
	}
	return listeners, nil
}

func (o *options) inheritOne(f *os.File) (listener, error) {
	name := f.Name()
	l, err := host.ListenFile(f)
	switch implicit := name == implicitSocket; {
	case err != nil:
		return listener{}, fmt.Errorf("cannot listen on the socket %s of the service manager: %w; give one by ListenStream=PORT",
			name, err)
	case implicit && !o.tls.on():
		err = fmt.Errorf("the socket %s of the service manager is for TLS; give a certificate with --tls-cert, "+
			"or make one with --tls self-signed", name)
	case !implicit && name != "listen" && !strings.HasSuffix(name, ".socket") && !strings.HasPrefix(name, "LISTEN_FD_"):
		err = fmt.Errorf("the service manager gives a socket named %q; write FileDescriptorName=listen or FileDescriptorName=%s",
			name, implicitSocket)
	default:
		return listener{l, implicit, name}, nil
	}
	l.Close()
	return listener{}, err
}
