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

// process is a host that the kit has started.
type process struct {
	command *exec.Cmd
	found   chan string   // where it says that it listens
	ended   chan struct{} // closed when it has
	said    tail
	line    []byte // what it has begun to say on its standard output
	folder  string // has the module and the root
	hasRoot bool
}

// start runs a host, with the kit's module and an empty root where its arguments
// ask for them.
func start(args []string) (*process, error) {
	folder, err := os.MkdirTemp("", "hosttest")
	if err != nil {
		return nil, err
	}
	h := &process{folder: folder, hasRoot: strings.Contains(strings.Join(args, " "), "{root}")}
	h.found, h.ended = make(chan string, 1), make(chan struct{})
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
	h.command.WaitDelay = time.Second // what it has started itself may hold them open
	if err := h.command.Start(); err != nil {
		return err
	}
	go func() {
		h.command.Wait()
		close(h.ended)
	}()
	return nil
}

// Write takes what the host says on its standard output, and finds the line that tells
// where it listens.
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
			default: // it listens elsewhere, too
			}
		}
		h.line = rest
	}
	if len(h.line) > tailSize {
		h.line = nil // no line of an address
	}
	return h.said.Write(p)
}

// stop asks the host to end. Windows knows no way.
func (h *process) stop() error { return h.command.Process.Signal(syscall.SIGTERM) }

// end ends the host at once.
func (h *process) end() {
	h.command.Process.Kill()
	<-h.ended
	os.RemoveAll(h.folder)
}

// lastWords tells how the host has ended, if it has, and what it said before. One that
// listens no more may take a moment.
func (h *process) lastWords() string {
	select {
	case <-h.ended:
		return "The host has ended: " + h.command.ProcessState.String() + h.said.String()
	case <-time.After(time.Second):
		return "The host listens no more, but goes on." + h.said.String()
	}
}

// startTime is how long a host may take to start.
const startTime = time.Minute

// announced waits for the line that tells where the host listens.
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
		return "", errors.New("the host prints no line that says ftp://ADDRESS:PORT/; or give --address")
	}
}

// addressIn is the address of the URL in a line, "" when there is none.
func addressIn(line string) string {
	for word := range strings.FieldsSeq(line) {
		if u, err := url.Parse(word); err == nil && u.Scheme == "ftp" && u.Port() != "" {
			return u.Host
		}
	}
	return ""
}

// listens waits until it does.
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

// tail keeps the last of what the host says.
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
