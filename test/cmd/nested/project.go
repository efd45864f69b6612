package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// project is a random one: tools that contend for few stores, agents over them,
// teams of agents, teams of teams, and pipelines that call all of these, in two
// layers. Its text follows from the source of chance.
type project struct {
	r    *rand.Rand
	text strings.Builder
	// Classes by layer; a pipeline calls what lies below it. Lists give lists, so
	// only pipelines call them.
	tools, agents, teams, lists, deep, pipes, tops []string
}

const (
	stores   = 4 // that the tools contend for
	perLayer = 8
)

func newProject(r *rand.Rand) *project {
	p := &project{r: r}
	p.text.WriteString(`import { agent, Agent, kv, pipeline, Pipeline, sleep, step, team, Team, tool, use } from '@aria/sdk';

interface Say { text: string }
const nap = (ms: number) => new Promise((done) => setTimeout(done, ms));
`)
	for i := range perLayer {
		p.tool(i)
	}
	for i := range perLayer {
		p.agent(i)
	}
	for i := range perLayer {
		p.team(i)
	}
	for i := range perLayer / 2 {
		p.teamOfTeams(i)
	}
	below := concat(p.tools, p.agents, p.teams, p.lists, p.deep)
	for i := range perLayer {
		p.pipes = append(p.pipes, p.pipeline(fmt.Sprintf("P%d", i), below))
	}
	for i := range perLayer / 2 {
		p.tops = append(p.tops, p.pipeline(fmt.Sprintf("Top%d", i), concat(p.pipes, p.deep)))
	}
	return p
}

func concat(lists ...[]string) (out []string) {
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

func (p *project) pick(of []string) string { return of[p.r.IntN(len(of))] }

// some picks n, one maybe more than once.
func (p *project) some(of []string, n int) (out []string) {
	for range n {
		out = append(out, p.pick(of))
	}
	return out
}

// different picks n that are not the same.
func (p *project) different(of []string, n int) (out []string) {
	for _, i := range p.r.Perm(len(of))[:n] {
		out = append(out, of[i])
	}
	return out
}

func (p *project) tool(i int) {
	name := fmt.Sprintf("T%d", i)
	p.tools = append(p.tools, name)
	a := p.r.IntN(stores)
	b := (a + 1 + p.r.IntN(stores-1)) % stores
	second, bound := "", ""
	if p.r.IntN(2) == 0 {
		second = fmt.Sprintf("\n  b = kv<number>('nested/k%d', 'rw');", b)
	}
	if p.r.IntN(4) == 0 {
		bound = "{ concurrency: { max: 2 } }"
	}
	fmt.Fprintf(&p.text, `
export class %s {
  a = kv<number>('nested/k%d', 'rw');%s
  /** Touch a text.
   * @param text what to touch */
  @tool(%s)
  async touch(text: string): Promise<Say> {
    await this.a.update('n', (n) => (n ?? 0) + 1);
    await nap(%d);
    return { text: text + '.' };
  }
}
`, name, a, second, bound, p.r.IntN(20))
}

func (p *project) agent(i int) {
	name := fmt.Sprintf("A%d", i)
	p.agents = append(p.agents, name)
	fmt.Fprintf(&p.text, "\n@agent({ model: 'local:planner', tools: [%s], maxSteps: 4 })\nexport class %s extends Agent<Say, Say> { instructions = 'Touch the text.'; }\n",
		p.pick(p.tools), name)
}

func (p *project) team(i int) {
	name := fmt.Sprintf("M%d", i)
	mode, out := []string{"sequence", "parallel", "vote"}[p.r.IntN(3)], "Say"
	if mode == "parallel" {
		out = "Say[]"
		p.lists = append(p.lists, name)
	} else {
		p.teams = append(p.teams, name)
	}
	fmt.Fprintf(&p.text, "\n@team({ members: [%s], mode: '%s' })\nexport class %s extends Team<Say, %s> {}\n",
		strings.Join(p.different(p.agents, 2+p.r.IntN(2)), ", "), mode, name, out)
}

func (p *project) teamOfTeams(i int) {
	name := fmt.Sprintf("D%d", i)
	p.deep = append(p.deep, name)
	members := append(p.different(p.agents, 1), p.different(concat(p.teams, p.agents), 1)...)
	if members[0] == members[1] {
		members = members[:1]
	}
	fmt.Fprintf(&p.text, "\n@team({ members: [%s], mode: '%s' })\nexport class %s extends Team<Say, Say> {}\n",
		strings.Join(members, ", "), []string{"sequence", "vote"}[p.r.IntN(2)], name)
}

// pipeline has one of the two forms, and calls two or three of what is below.
func (p *project) pipeline(name string, below []string) string {
	calls := p.some(below, 2+p.r.IntN(2))
	bound := ""
	if p.r.IntN(4) == 0 {
		bound = "{ concurrency: { key: 'input.text', max: 1 } }"
	}
	fmt.Fprintf(&p.text, "\n@pipeline(%s)\nexport class %s extends Pipeline<Say, number> {\n  own = kv<number>('nested/k%d', 'a');\n", bound, name, p.r.IntN(stores))
	for i, c := range calls {
		fmt.Fprintf(&p.text, "  u%d = use(%s);\n", i, c)
	}
	if p.r.IntN(2) == 0 {
		p.code(calls)
	} else {
		p.steps(calls)
	}
	p.text.WriteString("}\n")
	return name
}

func call(i int, class, text string) string {
	if class[0] == 'T' && class[1] != 'o' {
		return fmt.Sprintf("this.u%d.touch(%s)", i, text)
	}
	return fmt.Sprintf("this.u%d.run({ text: %s })", i, text)
}

func (p *project) code(calls []string) {
	p.text.WriteString("  async run(i: Say): Promise<number> {\n    await this.own.update('n', (n) => (n ?? 0) + 1);\n")
	if p.r.IntN(2) == 0 {
		var all []string
		for i, c := range calls {
			all = append(all, call(i, c, "i.text"))
		}
		fmt.Fprintf(&p.text, "    await Promise.all([%s]);\n", strings.Join(all, ", "))
	} else {
		for i, c := range calls {
			fmt.Fprintf(&p.text, "    await %s;\n", call(i, c, "i.text"))
		}
	}
	if p.r.IntN(3) == 0 {
		p.text.WriteString("    await sleep('600ms');\n")
	}
	p.text.WriteString("    return 1;\n  }\n")
}

// steps: the first, then the others at the same time, then one that joins them.
func (p *project) steps(calls []string) {
	fmt.Fprintf(&p.text, "  @step() async s0(i: Say): Promise<string> { await %s; return i.text; }\n", call(0, calls[0], "i.text"))
	var names, results []string
	for i, c := range calls[1:] {
		names, results = append(names, fmt.Sprintf("'s%d'", i+1)), append(results, fmt.Sprintf("r%d: string", i+1))
		fmt.Fprintf(&p.text, "  @step({ after: 's0' }) async s%d(t: string): Promise<string> { await %s; return t; }\n", i+1, call(i+1, c, "t"))
	}
	fmt.Fprintf(&p.text, "  @step({ after: [%s] }) async last(%s): Promise<number> { await this.own.update('n', (n) => (n ?? 0) + 1); return 1; }\n",
		strings.Join(names, ", "), strings.Join(results, ", "))
}

// units that are run, as ariad names them.
func (p *project) units() (out []string) {
	for _, c := range concat(p.agents, p.teams, p.lists, p.deep, p.pipes, p.tops) {
		out = append(out, strings.ToLower(c[:1])+c[1:])
	}
	return out
}
