// Command demo is what `make demo` runs: it starts the pair on embedded
// defaults, builds and uploads examples/orders, runs a tool and asks an agent,
// shows what a person would have typed and seen, and stops everything.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/test/system"
)

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	project := flag.String("project", "examples/orders", "the example")
	flag.Parse()
	if err := run(*bin, *project); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	fmt.Println("demo: ok")
}

func run(bin, project string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("containers need root: run `sudo make demo`")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	t := time.Now()
	inst, err := system.Start(ctx, bin, "")
	if err != nil {
		return err
	}
	stopped := false
	defer func() {
		if !stopped {
			inst.Stop()
		}
	}()
	fmt.Printf("$ ariad up\n%s\n\n", took("both daemons ready", t))
	out, err := os.MkdirTemp("", "aria-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	d := demo{ctx: ctx, inst: inst, file: filepath.Join(out, "orders.aria")}
	d.play(project)
	t = time.Now()
	stopped = true
	if err := inst.Stop(); err != nil {
		return err
	}
	if d.err == nil {
		fmt.Println(took("everything stopped", t))
	}
	return d.err
}

type demo struct {
	ctx  context.Context
	inst *system.Instance
	file string
	err  error
}

func (d *demo) play(project string) {
	d.arc("", "build", project, "--out", d.file)
	d.arc("orders.get", "inspect", d.file)
	d.arc("", "upload", d.file)
	d.arc("", "ls", "units")
	d.arc(`"id":"A-17"`, "run", "orders.add", "--input", `{"id":"A-17","buyer":"Ada","total":4200}`)
	d.arc(`"status":"paid"`, "run", "orders.pay", "--input", `{"id":"A-17"}`)
	d.arc("A-17", "task", "support", "Please look up order A-17 for me")
}

// arc runs one command, shows it with what it said and how long it took, and
// checks that what it answered holds want. After a failure it does nothing.
func (d *demo) arc(want string, args ...string) {
	if d.err != nil {
		return
	}
	fmt.Printf("$ arc %s\n", quote(args, d.file))
	c := d.inst.Arc(d.ctx, args...)
	var answer bytes.Buffer
	c.Stdout = io.MultiWriter(&answer, os.Stdout)
	c.Stderr = os.Stdout
	t := time.Now()
	if err := c.Run(); err != nil {
		d.err = fmt.Errorf("arc %s: %w", args[0], err)
		return
	}
	squeezed := strings.NewReplacer(" ", "", "\n", "").Replace(answer.String())
	if !strings.Contains(squeezed, want) {
		d.err = fmt.Errorf("arc %s did not answer with %s", args[0], want)
		return
	}
	fmt.Printf("%s\n\n", took("arc "+args[0], t))
}

func took(what string, since time.Time) string {
	return fmt.Sprintf("[%s: %d ms]", what, time.Since(since).Milliseconds())
}

func quote(args []string, file string) string {
	var out []string
	for _, a := range args {
		switch {
		case a == file:
			a = "orders.aria"
		case strings.ContainsAny(a, ` "{`):
			a = "'" + a + "'"
		}
		out = append(out, a)
	}
	return strings.Join(out, " ")
}
