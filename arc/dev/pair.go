package dev

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Pair is "ariad up" as a child: both daemons, with one data folder.
type Pair struct {
	Server         string // http://host:port
	CredentialFile string

	cmd   *exec.Cmd
	ended chan struct{}
	said  tail
}

// Place says where the pair keeps its data and where it listens; empty values
// are ariad's own defaults.
type Place struct {
	Data, Listen  string
	Bun           string
	AllowDegraded string // what quiltd may do without where we are not root
}

// stopTime is a little more than ariad gives its runs to end.
const stopTime = 20 * time.Second

var readyLine = regexp.MustCompile(`^aria ready +(http://\S+) +credential (\S+)$`)

// StartPair starts the daemons and returns when they serve. Who is not root may have to
// allow what the host does not give (docs/spec/rootless.md).
func StartPair(ctx context.Context, at Place) (*Pair, error) {
	ariad, err := beside("ariad")
	if err != nil {
		return nil, err
	}
	args := []string{"up"}
	for _, f := range [][2]string{{"--data", at.Data}, {"--listen", at.Listen}, {"--bun", at.Bun}, {"--allow-degraded", at.AllowDegraded}} {
		if f[1] != "" {
			args = append(args, f[0], f[1])
		}
	}
	p := &Pair{cmd: exec.Command(ariad, args...), ended: make(chan struct{})}
	// A group of its own: Ctrl-C is ours to pass on, after the last upload. If we
	// are killed, the kernel tells it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	p.cmd.Stderr = &p.said
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "%s cannot be started", ariad)
	}
	ready := make(chan []string, 1)
	go p.listen(out, ready)
	select {
	case m := <-ready:
		p.Server, p.CredentialFile = m[1], m[2]
		return p, nil
	case <-p.ended:
		return nil, p.Failure()
	case <-ctx.Done():
		p.Stop()
		return nil, ctx.Err()
	}
}

func (p *Pair) listen(out io.Reader, ready chan<- []string) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := readyLine.FindStringSubmatch(lines.Text()); m != nil {
			ready <- m
			break
		}
	}
	_, _ = io.Copy(io.Discard, out)
	_ = p.cmd.Wait() // how it ended is in its own words
	close(p.ended)
}

// Ended is closed when the daemons are gone.
func (p *Pair) Ended() <-chan struct{} { return p.ended }

// Failure says why they went, in their own last words.
func (p *Pair) Failure() error {
	words := p.said.last()
	if words == "" {
		words = "it said nothing"
	}
	hint := `"ariad up" alone shows its whole log`
	if os.Geteuid() != 0 {
		hint = `sudo, or --allow-degraded with what it names: cgroups, ids or both; ` + hint
	}
	return fault.New(fault.Unavailable, "ariad up ended: %s", words).WithHint("%s", hint)
}

// Stop ends the daemons and waits until they are gone.
func (p *Pair) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// beside finds a program next to this one, or on the PATH.
func beside(name string) (string, error) {
	if self, err := os.Executable(); err == nil {
		at := filepath.Join(filepath.Dir(self), name)
		if st, err := os.Stat(at); err == nil && st.Mode().IsRegular() {
			return at, nil
		}
	}
	at, err := exec.LookPath(name)
	if err != nil {
		return "", fault.New(fault.NotFound, "%s was not found", name).WithHint("put it beside arc or on the PATH, or name a running one with --server")
	}
	return at, nil
}

// tail keeps the end of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 8 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - tailSize; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

// last are the lines that are no log entries, or the last line.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	var words []string
	for _, l := range lines {
		if !strings.HasPrefix(l, "time=") {
			words = append(words, strings.TrimSpace(l))
		}
	}
	if len(words) == 0 {
		words = lines[len(lines)-1:]
	}
	return strings.Join(words, "; ")
}
