package local

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/llm"
)

// step is one tool to call for one clause of the request.
type step struct {
	tool   *llm.Tool
	words  string
	unsure string // a question to ask instead
}

const (
	enough = 0.30 // a score below this is no match
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
	if err != nil || ranked[0].score < enough {
		return nil, err
	}
	s := step{tool: ranked[0].tool, words: t.request}
	if len(ranked) > 1 && ranked[0].score-ranked[1].score < margin {
		s = p.between(s, t, ranked)
	}
	return []step{s}, nil
}

// between decides for the tool whose input the request can fill, if only one
// can be; else it asks.
func (p *Planner) between(s step, t talk, ranked []scored) step {
	var able []*llm.Tool
	for _, r := range ranked {
		if ranked[0].score-r.score >= margin {
			break
		}
		if _, missing := fill(p, llm.OpenSchema(r.tool.Schema), t.request, t); len(missing) == 0 {
			able = append(able, r.tool)
		}
	}
	if len(able) == 1 {
		s.tool = able[0]
		return s
	}
	s.unsure = fmt.Sprintf("Do you mean %s or %s?", ranked[0].tool.Name, ranked[1].tool.Name)
	return s
}

func (p *Planner) chain(t talk, tools []llm.Tool) ([]step, error) {
	clauses := joints.Split(t.request, -1)
	if len(clauses) < 2 || len(clauses) > 4 || t.values != nil {
		return nil, nil
	}
	var out []step
	for _, c := range clauses {
		ranked, err := p.rank(c, tools)
		if err != nil {
			return nil, err
		}
		clear := len(ranked) == 1 || ranked[0].score-ranked[1].score >= margin
		twice := slices.ContainsFunc(out, func(s step) bool { return s.tool == ranked[0].tool })
		if ranked[0].score < sure || !clear || twice {
			return nil, nil
		}
		out = append(out, step{tool: ranked[0].tool, words: c})
	}
	return out, nil
}

type scored struct {
	tool  *llm.Tool
	score float64
}

// rank sorts the tools by how well they match, best first; equal ones by name.
func (p *Planner) rank(request string, tools []llm.Tool) ([]scored, error) {
	asked := tokens(request)
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
		}
		out[i] = scored{t, s}
	}
	slices.SortFunc(out, func(a, b scored) int {
		if a.score != b.score {
			return -cmpFloat(a.score, b.score)
		}
		return strings.Compare(a.tool.Name, b.tool.Name)
	})
	return out, nil
}

func cmpFloat(a, b float64) int {
	if a < b {
		return -1
	}
	return 1
}

// purpose is a tool in a sentence.
func purpose(t *llm.Tool) string {
	if t.Description == "" {
		return strings.Join(split(t.Name), " ")
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
		words := map[string]bool{}
		for _, w := range tokens(t.Name + " " + t.Description) {
			words[w] = true
		}
		for w := range words {
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
	name, about := tokens(t.Name), tokens(purpose(t))
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
		case slices.ContainsFunc(asked, func(a string) bool { return related(a, w) }):
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
