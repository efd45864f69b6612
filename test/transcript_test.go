package test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// TestFirstProject plays docs/guide/first-project.md: its commands, in two
// terminals, must show what the page shows, times and names of runs aside. With
// -update the page is written anew; in a block of the first terminal the number
// of lines says how many to wait for.
func TestFirstProject(t *testing.T) {
	testenv.NeedRoot(t)
	const page = "../docs/guide/first-project.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlay(t)
	var out strings.Builder
	block, kind := []string(nil), ""
	for _, line := range strings.SplitAfter(string(text), "\n") {
		switch {
		case kind == "" && strings.HasPrefix(line, "```console"):
			kind, block = strings.TrimSpace(line[3:]), nil
		case kind != "" && strings.HasPrefix(line, "```"):
			shown := p.perform(kind, block)
			if d := cmp.Diff(steady(block), steady(shown)); d != "" && !*update {
				t.Errorf("the page shows something else (-), than is (+):\n%s", d)
			}
			out.WriteString("```" + kind + "\n" + strings.Join(shown, "\n") + "\n")
			kind = ""
		case kind != "":
			block = append(block, strings.TrimRight(line, "\n"))
			continue
		}
		if kind == "" {
			out.WriteString(line)
		}
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(page, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// play is two terminals in a folder of their own.
type play struct {
	t            *testing.T
	work, at     string // the folder it began in, and where the second terminal is
	data, listen string
	dev          *exec.Cmd
	said         *screen
	seen         int // lines of the first terminal that the page has shown
}

func newPlay(t *testing.T) *play {
	data, err := os.MkdirTemp("", "aria-data-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(data) })
	if err := os.Chmod(data, 0o755); err != nil { // the daemons have users of their own
		t.Fatal(err)
	}
	work := t.TempDir()
	return &play{t: t, work: work, at: work, data: data, listen: freePort(t), said: &screen{}}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// screen is written by one and read by another at the same time.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// perform runs the commands of a block and gives what stands on the screen.
func (p *play) perform(kind string, block []string) []string {
	p.t.Helper()
	if kind == "console dev" {
		return p.first(block)
	}
	var shown []string
	for _, line := range block {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		shown = append(shown, line)
		if dir, ok := strings.CutPrefix(command, "cd "); ok {
			p.at = filepath.Join(p.at, dir)
			continue
		}
		out, _ := p.command(command, "ARIA_SERVER=http://"+p.listen, "ARIA_CREDENTIAL_FILE="+p.data+"/aria/credential").CombinedOutput()
		shown = append(shown, p.lines(string(out))...)
	}
	return shown
}

func (p *play) command(command string, env ...string) *exec.Cmd {
	c := exec.Command("sh", "-c", command)
	c.Dir = p.at
	c.Env = append([]string{"PATH=" + binDir + ":" + os.Getenv("PATH"), "HOME=" + p.work, "ARIA_BUN=" + testenv.Bun(p.t)}, env...)
	return c
}

// first is the terminal of arc dev: a block begins it, goes on or ends it.
func (p *play) first(block []string) []string {
	p.t.Helper()
	wait := len(block)
	var shown []string
	switch {
	case strings.HasPrefix(block[0], "$ "):
		p.begin(block[0][2:])
		shown, wait = block[:1], wait-1
	case block[0] == "^C":
		p.dev.Process.Signal(syscall.SIGINT)
		shown, wait = block[:1], wait-1
	}
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		all := p.lines(p.said.String())
		if len(all) >= p.seen+wait {
			time.Sleep(100 * time.Millisecond) // more than the page shows would be wrong too
			all = p.lines(p.said.String())
			shown = append(shown, all[p.seen:]...)
			p.seen = len(all)
			return shown
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("waited in vain for %d more lines of arc dev; it said\n%s", wait, p.said)
		}
	}
}

func (p *play) begin(command string) {
	p.dev = p.command("exec " + command + fmt.Sprintf(" --data %s --listen %s", p.data, p.listen))
	p.dev.Stdout, p.dev.Stderr = p.said, p.said
	if err := p.dev.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { p.dev.Wait(); close(ended) }()
	p.t.Cleanup(func() {
		p.dev.Process.Signal(syscall.SIGTERM)
		<-ended
		if left, _ := exec.Command("pgrep", "-f", p.data).Output(); len(bytes.TrimSpace(left)) > 0 {
			p.t.Errorf("arc dev left processes behind: %s", left)
		}
	})
}

// lines are an output's as they would be with the usual places.
func (p *play) lines(out string) []string {
	out = strings.NewReplacer(p.listen, "127.0.0.1:7600", p.data, "/var/lib/aria", p.work, "/srv").Replace(out)
	var lines []string
	for _, l := range strings.Split(strings.TrimRight(out, "\n"), "\n") {
		if !strings.HasPrefix(l, "for other terminals: ") { // it is there because the places are unusual
			lines = append(lines, strings.TrimRight(l, " "))
		}
	}
	if out == "" {
		return nil
	}
	return lines
}

// unsteady is what differs from one play to the next.
var unsteady = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`\d+(\.\d+)? ms`), "N ms"},
	{regexp.MustCompile(` +\d+\.\d+s  `), " N s  "},
	{regexp.MustCompile(`run_[0-9a-z]+`), "run_ID"},
	{regexp.MustCompile(`sha256:[0-9a-f]+`), "sha256:HEX"},
	{regexp.MustCompile(`-dev\.\d+`), "-dev.N"},
	{regexp.MustCompile(`(_us|Ms)=\d+`), "$1=N"},
	{regexp.MustCompile(`\d+\.\d+ KiB`), "N KiB"},
	{regexp.MustCompile(`isolation="[^"]*"|isolation=\S+`), "isolation=X"},
	{regexp.MustCompile(`start=\w+`), "start=X"},
}

func steady(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		for _, u := range unsteady {
			l = u.what.ReplaceAllString(l, u.as)
		}
		out[i] = l
	}
	return out
}
