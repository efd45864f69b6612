package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// progress shows on stderr what a command is at. Steps follow one another; they
// do not nest. Its zero value shows nothing.
type progress struct {
	want string // the flag
	mode string // tty | plain | rawjson; "" shows nothing
	slow bool   // in plain, only of steps that take longer than slowStep
	w    io.Writer
	dim  func(string) string

	mu   sync.Mutex
	held int  // others write: nothing is drawn meanwhile
	line bool // there is a line to wipe
}

const (
	shortStep = 200 * time.Millisecond // shorter ones leave no trace on a terminal
	slowStep  = 5 * time.Second
	drawEvery = 100 * time.Millisecond
)

var progressModes = []string{"auto", "tty", "plain", "rawjson"}

// progressLine is a line of --progress rawjson.
type progressLine struct {
	Time   time.Time `json:"time"`
	Step   string    `json:"step"`  // packages | compile | start | publish | install | upload | push | restart
	State  string    `json:"state"` // started | running | done | failed
	Detail string    `json:"detail,omitempty"`
	Bytes  int64     `json:"bytes,omitempty"` // so far
	Total  int64     `json:"total,omitempty"` // in the end
}

// addProgress gives a command that takes time the flag --progress.
func (a *app) addProgress(c *cobra.Command) {
	c.Flags().StringVar(&a.progress.want, "progress", "", "how progress is shown on stderr: auto, tty, plain or rawjson (ARIA_PROGRESS; default auto)")
	_ = c.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions(progressModes, cobra.ShellCompDirectiveNoFileComp)) // fails only for a flag that is not there
	c.PreRunE = func(*cobra.Command, []string) error { return a.startProgress() }
}

// startProgress decides how progress is shown. With --json, stderr is for
// machines: nothing but rawjson is shown there.
func (a *app) startProgress() error {
	p := &a.progress
	p.w, p.dim = a.err, func(s string) string { return a.paint(s, dim) }
	switch want := first(p.want, a.env("ARIA_PROGRESS"), "auto"); want {
	case "auto":
		if p.mode = "tty"; !isTerminal(a.err) || a.env("TERM") == "dumb" {
			p.mode, p.slow = "plain", true
		}
	case "tty", "plain", "rawjson":
		p.mode = want
	default:
		e := fault.New(fault.Invalid, "there is no progress %q", want)
		if near := fault.Nearest(want, progressModes); near != "" {
			return e.WithHint("did you mean %q?", near)
		}
		return e.WithHint("it is auto, tty, plain or rawjson")
	}
	if a.json && p.mode != "rawjson" {
		p.mode = ""
	}
	return nil
}

// rawMessage is a diagnostic among the lines of --progress rawjson.
type rawMessage struct {
	Message diag.Message `json:"message"`
}

func (a *app) rawMessages(msgs []diag.Message) {
	for _, m := range msgs {
		_ = writeJSON(a.err, rawMessage{m}) // as in record
	}
}

// forMachines: what stands on stderr is JSON, one object a line.
func (a *app) forMachines() bool { return a.json || a.progress.mode == "rawjson" }

// pause keeps the line of progress away while something else is written to stderr.
func (p *progress) pause() (resume func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held++
	p.wipe()
	return func() {
		p.mu.Lock()
		p.held--
		p.mu.Unlock()
	}
}

func (p *progress) wipe() {
	if p.line {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.line = false
	}
}

// step is something that takes time. A nil step is none.
type step struct {
	p            *progress
	name, detail string
	began        time.Time
	bytes, total int64
	tenth        int64
	said         bool // in plain: that it has begun
	stop, ended  chan struct{}
}

// step begins one; end must be called, in the same goroutine or another.
func (a *app) step(name, detail string, total int64) *step {
	s := &step{p: &a.progress, name: name, detail: clean(detail), began: time.Now(), total: total, tenth: -1}
	switch s.p.mode {
	case "":
		return nil
	case "rawjson":
		s.record("started", s.detail)
		return s
	case "plain":
		if !s.p.slow {
			s.begun()
		}
	}
	s.stop, s.ended = make(chan struct{}), make(chan struct{})
	go s.tick()
	return s
}

func (s *step) tick() {
	defer close(s.ended)
	t := time.NewTicker(drawEvery)
	defer t.Stop()
	for n := 0; ; n++ {
		select {
		case <-s.stop:
			return
		case <-t.C:
		}
		s.p.mu.Lock()
		switch took := time.Since(s.began); {
		case s.p.mode == "plain" && took >= slowStep:
			s.begun()
		case s.p.mode == "tty" && took >= shortStep && s.p.held == 0:
			s.draw(n, took)
		}
		s.p.mu.Unlock()
	}
}

// draw writes the line anew, cut at the terminal's edge.
func (s *step) draw(n int, took time.Duration) {
	text := fmt.Sprintf("%c %s", `-\|/`[n%4], s)
	if s.total > 0 && s.bytes > 0 {
		text += fmt.Sprintf(", %s of %s, %d%%", bytesText(s.bytes), bytesText(s.total), s.bytes*100/s.total)
	}
	fmt.Fprintf(s.p.w, "\r\x1b[K\x1b[?7l%s %s\x1b[?7h", text, s.p.dim(tookText(took)))
	s.p.line = true
}

func (s *step) String() string {
	if s.detail == "" {
		return s.name
	}
	return s.name + " " + s.detail
}

func (s *step) begun() {
	if !s.said {
		s.said = true
		fmt.Fprintf(s.p.w, "%s: started\n", s)
	}
}

// at says how far it got; machines and logs hear of every tenth.
func (s *step) at(bytes, total int64) {
	if s == nil || total <= 0 {
		return
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.bytes, s.total = bytes, total
	tenth := bytes * 10 / total
	if tenth <= s.tenth {
		return
	}
	s.tenth = tenth
	switch s.p.mode {
	case "plain":
		fmt.Fprintf(s.p.w, "%s: %d%%\n", s, tenth*10)
	case "rawjson":
		s.record("running", s.detail)
	}
}

// end ends the step and gives err back: nil is done, all else is failed.
func (s *step) end(err error) error {
	if s == nil {
		return err
	}
	state, detail := "done", s.detail
	if err != nil {
		state, detail = "failed", clean(firstLine(err.Error()))
	}
	if s.p.mode == "rawjson" {
		s.record(state, detail)
		return err
	}
	close(s.stop)
	<-s.ended
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.p.wipe()
	if s.said {
		fmt.Fprintf(s.p.w, "%s: %s, %s\n", s, state, tookText(time.Since(s.began)))
	}
	return err
}

func (s *step) record(state, detail string) {
	_ = writeJSON(s.p.w, progressLine{time.Now().UTC(), s.name, state, detail, s.bytes, s.total}) // stderr that is gone is no reason to stop
}
