package main

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a host that hosttest has started.
type process struct {
	command *exec.Cmd
	found   chan string   // the address in the first URL that the host prints
	ended   chan struct{} // closed when the host has ended
	said    tail
	line    []byte // of its standard output, up to now without an end
	folder  string // contains the module and the root
	hasRoot bool   // its arguments name the root
}

// start starts a host. In its arguments {module} becomes the file of the kit's module, and
// {root} an empty folder.
func start(args []string) (*process, error) {
	folder, err := os.MkdirTemp("", "hosttest")
	if err != nil {
		return nil, err
	}
	h := &process{
		folder: folder, hasRoot: strings.Contains(strings.Join(args, " "), "{root}"),
		found: make(chan string, 1), ended: make(chan struct{}),
	}
	if err := h.start(args); err != nil {
		os.RemoveAll(folder)
		return nil, err
	}
	return h, nil
}

func (h *process) root() string { return filepath.Join(h.folder, "root") }

func (h *process) start(args []string) error {
	file := filepath.Join(h.folder, "hosttest.wasm")
	if err := os.WriteFile(file, module, 0o644); err != nil {
		return err
	}
	if err := os.Mkdir(h.root(), 0o755); err != nil {
		return err
	}
	fill := strings.NewReplacer("{module}", file, "{root}", h.root())
	var filled []string
	for _, arg := range args {
		filled = append(filled, fill.Replace(arg))
	}
	h.command = exec.Command(filled[0], filled[1:]...)
	h.command.Stdout, h.command.Stderr = h, &h.said
	h.command.WaitDelay = time.Second // a process that the host has started may hold the outputs open
	if err := h.command.Start(); err != nil {
		return err
	}
	go func() {
		h.command.Wait()
		close(h.ended)
	}()
	return nil
}

// Write takes the host's standard output, and looks for a line with the URL of the address
// at which it listens.
func (h *process) Write(p []byte) (int, error) {
	h.line = append(h.line, p...)
	for {
		line, rest, whole := bytes.Cut(h.line, []byte("\n"))
		if !whole {
			break
		}
		if address := addressIn(string(line)); address != "" {
			select {
			case h.found <- address:
			default: // a further address
			}
		}
		h.line = rest
	}
	if len(h.line) > tailSize {
		h.line = nil // too long for a line with an address
	}
	return h.said.Write(p)
}

// stop asks the host to end in good order. On Windows that is an error.
func (h *process) stop() error { return h.command.Process.Signal(syscall.SIGTERM) }

// end kills the host, and removes its folder.
func (h *process) end() {
	h.command.Process.Kill()
	<-h.ended
	os.RemoveAll(h.folder)
}

// lastWords tells how the host has ended and what it printed last. It waits a moment for
// the end, as a host that no longer listens may be about to end.
func (h *process) lastWords() string {
	select {
	case <-h.ended:
		return "The host has ended: " + h.command.ProcessState.String() + h.said.String()
	case <-time.After(time.Second):
		return "The host no longer listens, but has not ended." + h.said.String()
	}
}

// startTime is how long a host may take to start.
const startTime = time.Minute

// announced waits for the line with the address at which the host listens.
func (h *process) announced() (address string, err error) {
	select {
	case address := <-h.found:
		return address, nil
	case <-h.ended:
		if len(h.found) > 0 {
			return <-h.found, nil
		}
		return "", errors.New("the host ended without a line that says ftp://ADDRESS:PORT/")
	case <-time.After(startTime):
		return "", errors.New("the host has printed no line with ftp://ADDRESS:PORT/; print one, or give --address")
	}
}

// addressIn is the address and port of the ftp URL in a line, "" when there is none.
func addressIn(line string) string {
	for word := range strings.FieldsSeq(line) {
		if u, err := url.Parse(word); err == nil && u.Scheme == "ftp" && u.Port() != "" {
			return u.Host
		}
	}
	return ""
}

// listens waits until the host accepts connections at an address.
func (h *process) listens(address string) error {
	for deadline := time.Now().Add(startTime); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// tail keeps the last tailSize bytes of the host's outputs.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-tailSize):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.text) == 0 {
		return ""
	}
	return "\nThe last of what the host said:\n" + strings.TrimRight(string(t.text), "\n")
}
