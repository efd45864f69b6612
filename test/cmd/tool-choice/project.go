package main

import (
	"context"
	"fmt"
	"strings"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

// project is the catalogue as somebody would write it: a class for each domain, and
// two agents, one with everything and one with ten tools.
func project() map[string]string {
	files := map[string]string{"aria.toml": "name = \"catalogue\"\nversion = \"1.0.0\"\n"}
	for _, d := range domains {
		var s strings.Builder
		fmt.Fprintf(&s, "import { tool } from '@aria/sdk';\n\nexport class %s {\n", class(d.space))
		for _, v := range verbs {
			says := strings.NewReplacer("{one}", d.one, "{many}", d.many).Replace(v.says)
			fmt.Fprintf(&s, "  /** %s %s\n   * @param what which one, or its text\n   */\n  @tool()\n  async %s(what: string): Promise<string> { return what; }\n", says, d.is, v.name)
		}
		s.WriteString("}\n")
		files["src/"+d.space+".ts"] = s.String()
	}
	var ten []string
	for _, v := range verbs[:10] {
		ten = append(ten, "Orders.prototype."+v.name)
	}
	files["src/agents.ts"] = `import { agent, Agent } from '@aria/sdk';
import { Orders } from './orders';

@agent({ model: 'script:m', tools: ['catalogue@*#*.*'] })
export class Clerk extends Agent<string, string> { instructions = 'Do what is asked.'; }

@agent({ model: 'script:m', tools: [` + strings.Join(ten, ", ") + `] })
export class Ten extends Agent<string, string> { instructions = 'Do what is asked.'; }
`
	return files
}

func class(space string) string { return strings.ToUpper(space[:1]) + space[1:] }

// events hands over all events of a run.
func events(ctx context.Context, inst *system.Instance, run string, emit func(*ariav1.Event) error) error {
	s, err := inst.Tasks.Watch(ctx, connect.NewRequest(&ariav1.WatchRequest{Run: run}))
	if err != nil {
		return err
	}
	defer s.Close()
	for s.Receive() {
		for _, e := range s.Msg().Events {
			if err := emit(e); err != nil {
				return err
			}
		}
	}
	return s.Err()
}
