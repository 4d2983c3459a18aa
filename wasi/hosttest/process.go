package main

import (
	"bufio"
	"errors"
	"io"
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
	output  io.Reader
	folder  string // has the module and the root
	hasRoot bool
}

// start runs a host, with the kit's module and an empty root where its arguments
// ask for them.
func start(args []string, said io.Writer) (*process, error) {
	folder, err := os.MkdirTemp("", "hosttest")
	if err != nil {
		return nil, err
	}
	h := &process{folder: folder, hasRoot: strings.Contains(strings.Join(args, " "), "{root}")}
	if err := h.start(args, said); err != nil {
		os.RemoveAll(folder)
		return nil, err
	}
	return h, nil
}

func (h *process) root() string { return filepath.Join(h.folder, "root") }

func (h *process) start(args []string, said io.Writer) error {
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
	h.command.Stderr = said
	var err error
	if h.output, err = h.command.StdoutPipe(); err != nil {
		return err
	}
	return h.command.Start()
}

// stop asks the host to end. Windows knows no way.
func (h *process) stop() error { return h.command.Process.Signal(syscall.SIGTERM) }

// end ends the host at once.
func (h *process) end() {
	h.command.Process.Kill()
	h.command.Wait()
	os.RemoveAll(h.folder)
}

// startTime is how long a host may take to start.
const startTime = time.Minute

// announced waits for the line that tells where the host listens.
func (h *process) announced() (address string, err error) {
	found := make(chan string, 1)
	go func() {
		defer close(found)
		lines := bufio.NewScanner(h.output)
		for lines.Scan() {
			if address := addressIn(lines.Text()); address != "" {
				found <- address
				break
			}
		}
		io.Copy(io.Discard, h.output)
	}()
	select {
	case address, ok := <-found:
		if !ok {
			return "", errors.New("the host ended without a line that says ftp://ADDRESS:PORT/")
		}
		return address, nil
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
	go io.Copy(io.Discard, h.output)
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

// tail keeps the last of what the host says on its standard error.
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
	return "\nThe last of what the host said on its standard error:\n" + strings.TrimRight(string(t.text), "\n")
}
