// Command tool-choice asks an agent that is granted a thousand tools for a hundred
// things, in words that none of the tools is named by, and looks how often the
// right tool is among the first five that its model is offered, and what the
// prompt costs beside that of an agent with ten tools. The tools are a project
// that arc builds, the model is a scripted one over HTTP, the rest is the product
// as it ships, with the embedder that lies in it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/llm/scripted"
	"github.com/ariacomputecompany/firmware/llm/words"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

// What must hold: so many of the requests, and so many percent of the prompt with
// ten tools.
const (
	wantGood    = 90
	wantPercent = 110
)

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	verbose := flag.Bool("v", false, "show the requests whose tool was not found")
	flag.Parse()
	if err := run(*bin, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "tool-choice:", err)
		os.Exit(1)
	}
}

func run(bin string, verbose bool) error {
	if err := honest(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	model := scripted.Serve(ln, scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "done"}}})
	defer model.Close()
	inst, err := start(ctx, bin, model.URL())
	if err != nil {
		return err
	}
	defer inst.Stop()
	dir, err := system.Project(project())
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := inst.Upload(ctx, dir); err != nil {
		return err
	}
	begin := time.Now()
	if _, err := offered(ctx, inst, "clerk", "hello"); err != nil {
		return err
	}
	fmt.Printf("tool choice: %d tools read in %.1f s, once\n", len(catalogue()), time.Since(begin).Seconds())
	return measure(ctx, inst, model, verbose)
}

// honest: no request says a word of its tool's name.
func honest() error {
	for _, r := range requests {
		said := words.Tokens(r.words)
		for _, w := range words.Split(r.tool) {
			if slices.Contains(said, words.Stem(w)) {
				return fmt.Errorf("the request %q says %q of %s", r.words, w, r.tool)
			}
		}
	}
	if len(requests) != 100 || len(catalogue()) != 1000 {
		return fmt.Errorf("%d requests for %d tools", len(requests), len(catalogue()))
	}
	return nil
}

func start(ctx context.Context, bin, url string) (*system.Instance, error) {
	data, err := os.MkdirTemp("", "aria-tool-choice-")
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("[providers.script]\ndialect = \"openai\"\nbase_url = %q\n", url)
	if err := os.Chmod(data, 0o755); err != nil { // the daemons' users must reach it
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(data, "models.toml"), []byte(text), 0o644); err != nil {
		return nil, err
	}
	return system.Start(ctx, bin, data)
}

func measure(ctx context.Context, inst *system.Instance, model *scripted.Server, verbose bool) error {
	good, first := 0, 0
	begin := time.Now()
	for _, r := range requests {
		tools, err := offered(ctx, inst, "clerk", r.words)
		if err != nil {
			return err
		}
		switch at := slices.Index(tools, r.tool); {
		case at == 0:
			first++
			good++
		case at > 0 && at < 5:
			good++
		case verbose:
			fmt.Printf("  %q: wanted %s, got %s\n", r.words, r.tool, strings.Join(tools, " "))
		}
	}
	each := time.Since(begin) / time.Duration(len(requests))
	many := prompts(model)
	if _, err := offered(ctx, inst, "ten", "hello"); err != nil {
		return err
	}
	asked := model.Requests()
	ten := len(asked[len(asked)-1].Body)
	fmt.Printf("tool choice: %d at the very first place, prompt at most %d bytes, with ten tools %d, %d ms a run\n", first, many, ten, each.Milliseconds())
	fmt.Printf("tool choice: %d of %d in the first five of %d\n", good, len(requests), len(catalogue()))
	if good < wantGood || many*100 > ten*wantPercent {
		return fmt.Errorf("wanted %d, with a prompt of at most %d %% of that with ten tools", wantGood, wantPercent)
	}
	return nil
}

// prompts is the longest request for a turn so far.
func prompts(model *scripted.Server) int {
	most := 0
	for _, r := range model.Requests() {
		most = max(most, len(r.Body))
	}
	return most
}

// offered runs an agent and gives the tools that were found for its request.
func offered(ctx context.Context, inst *system.Instance, agent, request string) (tools []string, err error) {
	input, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	r, err := inst.Run(ctx, agent, string(input))
	if err != nil || r.State != "done" {
		return nil, fmt.Errorf("%q: %v %v", request, r, err)
	}
	return tools, events(ctx, inst, r.Id, func(e *ariav1.Event) error {
		if e.Kind != "tools.found" {
			return nil
		}
		var found struct{ Tools []string }
		err := json.Unmarshal(e.Data, &found)
		tools = found.Tools
		return err
	})
}
