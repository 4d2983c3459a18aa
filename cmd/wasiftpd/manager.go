package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"wasiftp/host"
)

// manager is the service manager that waits for news of this process, such as systemd
// (sd_notify(3)). nil waits for none.
type manager struct {
	socket io.Writer
	within time.Duration // in which the watchdog wants a sign of life; 0 is no watchdog
	left   atomic.Bool   // it listens to another process
}

// serviceManager connects to the manager that the environment names. It keeps the connection,
// because a wall around this process allows no new one, and takes the variables out of the
// environment: they do not concern the programs that this one runs.
func serviceManager() (*manager, error) {
	const socket = "NOTIFY_SOCKET"
	defer os.Unsetenv(socket)
	path := os.Getenv(socket)
	if path == "" {
		return nil, nil
	}
	within, err := daemon.SdWatchdogEnabled(true)
	if err != nil {
		return nil, fmt.Errorf("WATCHDOG_USEC, the service manager's, is no number of microseconds: %w", err)
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("cannot reach the service manager of %s: %w; without one, unset it", socket, err)
	}
	return &manager{socket: c, within: within}, nil
}

// tell sends lines, each NAME=VALUE. A manager that hears nothing is one that has ended.
func (m *manager) tell(lines ...string) {
	if m != nil && !m.left.Load() {
		m.socket.Write([]byte(strings.Join(lines, "\n")))
	}
}

// replaced says that another process is the service from now on. This one says no more.
func (m *manager) replaced(pid int) {
	if m != nil {
		m.tell(fmt.Sprintf("MAINPID=%d", pid))
		m.left.Store(true)
	}
}

// ready says that the server serves, after its start or a reload.
func (m *manager) ready(status string) { m.tell(daemon.SdNotifyReady, "STATUS="+status) }

// reloading says that files are being loaded again, until the next ready.
func (m *manager) reloading() {
	if m != nil {
		m.tell(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()))
	}
}

// stopping says that the server stops, which may take it up to limit; 0 is no limit.
func (m *manager) stopping(limit time.Duration) {
	lines := []string{daemon.SdNotifyStopping, "STATUS=Stopping when the running transfers are done"}
	if limit > 0 {
		lines = append(lines, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (limit+closingTime).Microseconds()))
	}
	m.tell(lines...)
}

// closingTime is how long the server may need, after the last transfer, for what hangs.
const closingTime = time.Minute

// watch gives the watchdog a sign of life as often as the server answers, until ctx ends. A
// server that hangs gives none, and is started again by the manager.
func (m *manager) watch(ctx context.Context, server *host.Server, logger *slog.Logger) {
	if m == nil || m.within == 0 {
		return
	}
	pause := m.within / 3 // one for the answer, one until the next, one to spare
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, pause)
		err := server.Answers(limited)
		cancel()
		if err == nil {
			m.tell(daemon.SdNotifyWatchdog)
		} else if ctx.Err() == nil {
			logger.Error("an instance does not answer; the watchdog of the service manager gets no sign of life", "waited", pause.String())
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// listeningOn says for the manager where the server listens.
func listeningOn(listeners []listener) string {
	var addrs []string
	for _, l := range listeners {
		addrs = append(addrs, l.String())
	}
	return "Listening on " + strings.Join(addrs, ", ")
}
