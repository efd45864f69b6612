package local

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/words"
)

// step is one tool to call for one clause of the request.
type step struct {
	tool   *llm.Tool
	words  string
	unsure string // a question to ask instead
}

const (
	enough = 0.35 // a score below this is no match
	means  = 0.42 // the same where meaning counts, since unlike texts are near as well
	margin = 0.04 // two tools closer than this cannot be told apart
	sure   = 0.45 // each clause of a chain must reach this
)

var joints = regexp.MustCompile(`(?i)\s*(?:;|,?\s+and then\s|,?\s+then\s|,\s*and\s|\s+and\s|\.\s)\s*`)

// plan is the steps a request needs: one, or a chain where every clause surely
// means a tool of its own. It depends only on the request and the tools.
func (p *Planner) plan(t talk, tools []llm.Tool) ([]step, error) {
	if len(tools) == 0 || strings.TrimSpace(t.request) == "" {
		return nil, nil
	}
	if chain, err := p.chain(t, tools); err != nil || chain != nil {
		return chain, err
	}
	ranked, err := p.rank(t.request, tools)
	if err != nil {
		return nil, err
	}
	p.prefer(t, ranked)
	if tool := p.lookup(t, ranked); tool != nil {
		return []step{{tool: tool, words: t.request}}, nil
	}
	if ranked[0].score < p.bar() {
		return nil, nil
	}
	s := step{tool: ranked[0].tool, words: t.request}
	if len(ranked) > 1 && ranked[0].score-ranked[1].score < margin {
		s = p.between(s, t, ranked)
	}
	return []step{s}, nil
}

func (p *Planner) bar() float64 {
	if p.embed != nil {
		return means
	}
	return enough
}

// prefer lifts tools whose whole input the request says, and lowers those that
// have no use for an id it says: "A-17" speaks for a tool that wants one.
func (p *Planner) prefer(t talk, ranked []scored) {
	const lift = 0.10
	for i := range ranked {
		f := &filler{planner: p, text: newText(t.request), talk: t}
		s := llm.OpenSchema(ranked[i].tool.Schema)
		_, missing := f.object(s, "")
		if len(missing) == 0 && len(s.Required()) > 0 {
			ranked[i].score += lift
		}
		if _, unused := f.text.take(clearIDs); unused {
			ranked[i].score -= lift
		}
	}
	sortScored(ranked)
}

// lookup: a question about something by its id goes to the one tool that only
// reads and takes that id, whatever else the question says about it.
func (p *Planner) lookup(t talk, ranked []scored) *llm.Tool {
	if !asks(t.request) || !clearIDs.MatchString(t.request) {
		return nil
	}
	var found []*llm.Tool
	for _, r := range ranked {
		s := llm.OpenSchema(r.tool.Schema)
		if !overlaps(words.Tokens(r.tool.Name), reading) || len(s.Required()) == 0 {
			continue
		}
		f := &filler{planner: p, text: newText(t.request), talk: t}
		_, missing := f.object(s, "")
		if _, unused := f.text.take(clearIDs); len(missing) == 0 && !unused {
			found = append(found, r.tool)
		}
	}
	if len(found) != 1 {
		return nil
	}
	return found[0]
}

// between decides for the tool that can use most of what the request says, if
// only one can; else it asks.
func (p *Planner) between(s step, t talk, ranked []scored) step {
	most, ties := -1, 0
	for _, r := range ranked {
		if ranked[0].score-r.score >= margin || r.score < p.bar() {
			break
		}
		args, missing := fill(p, llm.OpenSchema(r.tool.Schema), t.request, t)
		switch n := len(args); {
		case len(missing) > 0:
		case n > most:
			most, ties, s.tool = n, 1, r.tool
		case n == most:
			ties++
		}
	}
	if ties != 1 {
		s.unsure = fmt.Sprintf("Do you mean %s or %s?", ranked[0].tool.Name, ranked[1].tool.Name)
	}
	return s
}

// chain takes a request of several clauses apart. Clauses that mean different
// tools, but not surely, are asked about: doing half of it would be worse.
func (p *Planner) chain(t talk, tools []llm.Tool) ([]step, error) {
	clauses := merge(joints.Split(t.request, -1))
	if len(clauses) < 2 || len(clauses) > 4 || t.values != nil {
		return nil, nil
	}
	var out []step
	certain := true
	for _, c := range clauses {
		ranked, err := p.rank(c, tools)
		if err != nil {
			return nil, err
		}
		p.prefer(talk{request: c}, ranked)
		best := ranked[0]
		if best.score < p.bar() {
			certain = false
			continue
		}
		if slices.ContainsFunc(out, func(s step) bool { return s.tool == best.tool }) {
			certain = false
			continue
		}
		clear := len(ranked) == 1 || best.score-ranked[1].score >= margin
		certain = certain && clear && best.score >= sure
		out = append(out, step{tool: best.tool, words: c})
	}
	switch {
	case len(out) < 2:
		return nil, nil
	case !certain:
		out[0].unsure = fmt.Sprintf("That sounds like more than one thing (%s, %s). Please ask for one at a time.", out[0].tool.Name, out[1].tool.Name)
		return out[:1], nil
	}
	return out, nil
}

// merge puts a clause that only asks to hear the outcome back to the one before.
func merge(clauses []string) []string {
	var out []string
	for _, c := range clauses {
		if n := len(out); n > 0 && (telling.MatchString(c) || len(words.Tokens(c)) == 0) {
			out[n-1] += " and " + c
		} else {
			out = append(out, c)
		}
	}
	return out
}

var telling = regexp.MustCompile(`(?i)^(?:tell|show|give|say|let|report)\b.*\b(?:its?|their|them|his|her|me|us)\b`)

type scored struct {
	tool  *llm.Tool
	score float64
}

// rank sorts the tools by how well they match, best first; equal ones by name.
func (p *Planner) rank(request string, tools []llm.Tool) ([]scored, error) {
	asked := words.Tokens(request)
	rare := rarity(tools)
	var vec []float32
	if p.embed != nil {
		v, err := p.embed(request)
		if err != nil {
			return nil, fmt.Errorf("embed request: %w", err)
		}
		vec = v
	}
	out := make([]scored, len(tools))
	for i := range tools {
		t := &tools[i]
		s := lexical(asked, t, rare)
		if vec != nil {
			v, err := p.embed(purpose(t))
			if err != nil {
				return nil, fmt.Errorf("embed tool %s: %w", t.Name, err)
			}
			s = 0.5*s + max(0, dot(vec, v))
		}
		if named(request, t.Name) {
			s += 2
		} else if asks(request) && overlaps(words.Tokens(t.Name), changing) {
			s -= 0.25
		}
		out[i] = scored{t, s}
	}
	sortScored(out)
	return out, nil
}

func sortScored(list []scored) {
	slices.SortFunc(list, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), strings.Compare(a.tool.Name, b.tool.Name))
	})
}

// purpose is a tool in a sentence.
func purpose(t *llm.Tool) string {
	if t.Description == "" {
		return strings.Join(words.Split(t.Name), " ")
	}
	first, _, _ := strings.Cut(t.Description, "\n")
	return first
}

// named: the request spells the unit's name out.
func named(request, unit string) bool {
	i := strings.Index(strings.ToLower(request), strings.ToLower(unit))
	return i >= 0 && strings.ContainsAny(unit, "._")
}

// rarity weighs words: what every tool says tells them apart least.
func rarity(tools []llm.Tool) map[string]float64 {
	df := map[string]int{}
	for _, t := range tools {
		said := map[string]bool{}
		for _, w := range words.Tokens(t.Name + " " + t.Description) {
			said[w] = true
		}
		for w := range said {
			df[w]++
		}
	}
	out := map[string]float64{}
	for w, n := range df {
		out[w] = math.Log(1 + float64(len(tools))/float64(n))
	}
	return out
}

// lexical is the share of a tool's name and description that the request says,
// about 0 to 1. A word of the name counts double, a word of the same sort half.
func lexical(asked []string, t *llm.Tool, rare map[string]float64) float64 {
	name, about := words.Tokens(t.Name), words.Tokens(purpose(t))
	var hit, all float64
	for i, w := range append(slices.Clone(name), about...) {
		weight := rare[w]
		if i < len(name) {
			weight *= 2
		}
		all += weight
		switch {
		case slices.Contains(asked, w):
			hit += weight
		case slices.ContainsFunc(asked, func(a string) bool { return words.Related(a, w) }):
			hit += weight / 2
		}
	}
	if all == 0 {
		return 0
	}
	return hit / all
}

func dot(a, b []float32) float64 {
	var s float64
	for i := range min(len(a), len(b)) {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}
