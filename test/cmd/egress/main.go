// Command egress starts a real Aria and tries every way out of a container that
// we know of, each from a real one. A way counts as refused if nothing reached a
// server that is closed, and the message names the token that would allow it.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

//go:embed ways.ts
var ways string

// nodeTypes are as much as the ways need.
const nodeTypes = `declare module 'node:net' { const m: any; export default m; }
declare module 'node:http' { const m: any; export default m; }
declare module 'node:https' { const m: any; export default m; }
declare module 'node:tls' { const m: any; export default m; }
declare const WebSocket: any;
`

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	verbose := flag.Bool("v", false, "show what each way was told")
	flag.Parse()
	refused, all, err := run(*bin, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "egress:", err)
		os.Exit(1)
	}
	fmt.Printf("egress: %d of %d refused\n", refused, all)
	if refused != all || all < 20 {
		os.Exit(1)
	}
}

func run(bin string, verbose bool) (refused, all int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	w, err := newWorld()
	if err != nil {
		return 0, 0, err
	}
	dir, err := dataFolder(w)
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	inst, err := system.Start(ctx, bin, dir)
	if err != nil {
		return 0, 0, err
	}
	defer inst.Stop()
	if err := prepare(ctx, inst, w); err != nil {
		return 0, 0, err
	}
	if err := works(ctx, inst); err != nil {
		return 0, 0, err
	}
	swap := w.ports()
	for _, c := range cases() {
		c.input, c.token = swap.Replace(c.input), swap.Replace(c.token)
		before := w.hits.Load()
		text, err := attempt(ctx, inst, c)
		why := ""
		switch {
		case err != nil:
			why = "did not run: " + err.Error()
		case w.hits.Load() != before || strings.Contains(text, escaped):
			why = "GOT OUT"
		case !strings.Contains(text, c.token):
			why = "does not name " + c.token
		}
		all++
		if why == "" {
			refused++
		}
		if why != "" || verbose {
			fmt.Printf("%-10s %-44s %s\n%s\n", strings.ToUpper(outcome(why)), c.name, why, indent(text))
		}
	}
	return refused, all, nil
}

func outcome(why string) string {
	if why == "" {
		return "refused"
	}
	return "failed"
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}

// dataFolder holds the operator's part: two servers are opened, names go to our
// own server, and our authority is one of the roots.
func dataFolder(w *world) (string, error) {
	dir, err := os.MkdirTemp("", "aria-egress-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	cfg := fmt.Sprintf("[net]\nresolver = %q\nca = %q\nallow_private = [%q, %q]\n", w.dns.LocalAddr(), filepath.Join(dir, "ca.pem"),
		w.plain.Listener.Addr(), w.secure.Listener.Addr())
	for name, text := range map[string][]byte{"quiltd.toml": []byte(cfg), "ca.pem": w.ca} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// prepare sets the secret and uploads the ways.
func prepare(ctx context.Context, inst *system.Instance, w *world) error {
	set := inst.Arc(ctx, "secret", "set", "EGRESS_KEY")
	set.Stdin = strings.NewReader("egress-secret-value\n")
	if out, err := set.CombinedOutput(); err != nil {
		return fmt.Errorf("arc secret set: %w\n%s", err, out)
	}
	dir, err := system.Project(map[string]string{
		"aria.toml":     "name = \"egress\"\nversion = \"1.0.0\"\n",
		"src/ways.ts":   w.ports().Replace(ways),
		"src/node.d.ts": nodeTypes,
	})
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	_, err = inst.Upload(ctx, dir)
	return err
}

// works: a wall that lets nothing through would refuse everything too.
func works(ctx context.Context, inst *system.Instance) error {
	text, err := attempt(ctx, inst, way{unit: "granted.fine", input: `{}`})
	if err == nil && !strings.Contains(text, "200 granted|200 granted|granted|200 granted|1") {
		err = fmt.Errorf("what is granted does not work: %s", text)
	}
	return err
}

// attempt runs one way and gives back all that a user is told: the result, the
// error and the log.
func attempt(ctx context.Context, inst *system.Instance, c way) (string, error) {
	r, err := inst.Tasks.Start(ctx, connect.NewRequest(&ariav1.StartRequest{Unit: c.unit, Input: []byte(c.input)}))
	if err != nil {
		return "", err
	}
	s, err := inst.Tasks.Watch(ctx, connect.NewRequest(&ariav1.WatchRequest{Run: r.Msg.Run.Id}))
	if err != nil {
		return "", err
	}
	defer s.Close()
	var b strings.Builder
	for s.Receive() {
		for _, e := range s.Msg().Events {
			var d struct {
				Text    string          `json:"text"`
				Output  json.RawMessage `json:"output"`
				Error   json.RawMessage `json:"error"`
				Message string          `json:"message"`
			}
			if e.Kind == "log" || e.Kind == "ended" {
				if err := json.Unmarshal(e.Data, &d); err != nil {
					return "", err
				}
				fmt.Fprintln(&b, strings.TrimSpace(d.Text+" "+string(d.Output)+" "+string(d.Error)+" "+d.Message))
			}
		}
	}
	return b.String(), s.Err()
}
