package policy

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// file is the TOML.
type file struct {
	Waiting   int                      `toml:"waiting"`
	Held      int                      `toml:"held"`
	Machine   fileMachine              `toml:"machine"`
	Tenant    map[string]fileTenant    `toml:"tenant"`
	Namespace map[string]fileNamespace `toml:"namespace"`
}

type fileMachine struct {
	fileBounds
	Executions int `toml:"executions"`
}

type fileBounds struct {
	Pools  map[string]int64     `toml:"pools"`
	Limits map[string]fileLimit `toml:"limits"`
}

type fileLimit struct {
	Requests     string  `toml:"requests"`
	Tokens       string  `toml:"tokens"`
	TokensPerDay int64   `toml:"tokens_per_day"`
	USDPerDay    float64 `toml:"usd_per_day"`
}

type fileTenant struct {
	fileBounds
	Allow       *[]string `toml:"allow"`
	Weight      int       `toml:"weight"`
	Waiting     int       `toml:"waiting"`
	Held        int       `toml:"held"`
	Class       string    `toml:"class"`
	Preemptible bool      `toml:"preemptible"`
}

type fileNamespace struct {
	Allow *[]string `toml:"allow"`
}

// words are all that a policy may say, for hints.
var words = []string{"waiting", "held", "machine", "tenant", "namespace", "pools", "limits", "requests", "tokens",
	"tokens_per_day", "usd_per_day", "allow", "weight", "class", "preemptible", "executions"}

// Classes from the most to the least urgent.
var Classes = []string{"system", "interactive", "normal", "batch"}

// Load reads a policy file; the text is what was read.
func Load(path string) (p *Policy, text []byte, err error) {
	text, err = os.ReadFile(path)
	if err != nil {
		return nil, nil, fault.Wrap(err, fault.NotFound, "the policy %s cannot be read", path).WithHint("is the path right, and may this user read it?")
	}
	p, err = Parse(path, text)
	return p, text, err
}

// Parse reads the text of a policy. Errors name file, line and column. Unknown
// words are refused: a rule that was mistyped must not be a rule that is not
// there.
func Parse(name string, text []byte) (*Policy, error) {
	r := reader{name: name, text: string(text)}
	var f file
	meta, err := toml.Decode(r.text, &f)
	if err != nil {
		var at toml.ParseError
		if errors.As(err, &at) {
			return nil, fault.Wrap(err, fault.Invalid, "%s:%d:%d: %s", name, at.Position.Line, at.Position.Col, at.Message).
				WithHint("the file is TOML; docs/spec/policy.md has an example")
		}
		return nil, r.fail(r.text, "%v", err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		key := unknown[0]
		last := key[len(key)-1]
		e := r.fail(last, "unknown word %q", last)
		if near := fault.Nearest(last, words); near != "" {
			return nil, e.WithHint("did you mean %q?", near)
		}
		return nil, e.WithHint("a policy has: %s", strings.Join(words, " "))
	}
	return r.policy(f)
}

// reader finds the places of what it complains of.
type reader struct {
	name, text string
	from       int // places are looked for from here
}

// table moves to a table's header, where there is one.
func (r *reader) table(parts ...string) (line int) {
	r.from = 0
	for _, quoted := range []string{parts[len(parts)-1], `"` + parts[len(parts)-1] + `"`} {
		header := "[" + strings.Join(append(parts[:len(parts)-1:len(parts)-1], quoted), ".")
		for at := 0; ; {
			i := strings.Index(r.text[at:], header)
			if i < 0 {
				break
			}
			at += i + len(header)
			if c := r.text[at:]; c != "" && (c[0] == ']' || c[0] == '.') {
				r.from = at
				line, _ = r.place(at)
				return line
			}
		}
	}
	return 0
}

// find is where a text stands after the table's header.
func (r *reader) find(what string) int {
	if i := strings.Index(r.text[r.from:], what); i >= 0 {
		return r.from + i
	}
	return r.from
}

func (r *reader) place(at int) (line, col int) {
	before := r.text[:at]
	return strings.Count(before, "\n") + 1, at - strings.LastIndexByte(before, '\n')
}

func (r *reader) fail(what, format string, args ...any) *fault.Error {
	line, col := r.place(r.find(what))
	return fault.New(fault.Invalid, "%s:%d:%d: %s", r.name, line, col, fmt.Sprintf(format, args...))
}

func (r *reader) policy(f file) (*Policy, error) {
	p := &Policy{Waiting: f.Waiting, Held: f.Held, Tenants: map[string]Tenant{}, Namespace: map[string]Rule{}}
	if f.Waiting < 0 || f.Held < 0 {
		return nil, r.fail("waiting", "waiting and held are not negative")
	}
	r.table("machine")
	var err error
	if p.Executions = f.Machine.Executions; p.Executions < 0 || p.Executions > 100_000 {
		return nil, r.fail("executions", "executions is %d; it may be 1 to 100000", p.Executions)
	}
	if p.Machine, err = r.bounds(f.Machine.fileBounds, "machine"); err != nil {
		return nil, err
	}
	for name, t := range f.Tenant {
		if p.Tenants[name], err = r.tenant(name, t); err != nil {
			return nil, err
		}
	}
	for name, n := range f.Namespace {
		line := r.table("namespace", name)
		if strings.Contains(name, "/") {
			r.from = 0
			return nil, r.fail(name, "%q is not a namespace", name).WithHint("the namespace of acme/search is acme")
		}
		if p.Namespace[name], err = r.rule(n.Allow, line); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (r *reader) tenant(name string, f fileTenant) (t Tenant, err error) {
	line := r.table("tenant", name)
	if name != Anybody && !plain(name) {
		r.from = 0
		return t, r.fail(name, "%q is not the name of a tenant", name).WithHint(`letters, digits, - _ and ., or "*" for all others`)
	}
	if f.Weight < 0 || f.Weight > 1000 {
		return t, r.fail("weight", "weight is %d; it may be 1 to 1000", f.Weight)
	}
	if f.Waiting < 0 || f.Held < 0 {
		return t, r.fail("waiting", "waiting and held are not negative")
	}
	if rank(f.Class) < 0 {
		return t, r.fail("class", "unknown class %q", f.Class).WithHint("classes are %s", strings.Join(Classes, " "))
	}
	t = Tenant{Weight: f.Weight, Waiting: f.Waiting, Held: f.Held, Class: f.Class, Preemptible: f.Preemptible}
	if t.Rule, err = r.rule(f.Allow, line); err != nil {
		return t, err
	}
	t.Bounds, err = r.bounds(f.fileBounds, "tenant", name)
	return t, err
}

func (r *reader) rule(allow *[]string, line int) (Rule, error) {
	if allow == nil {
		return Rule{Any: true, Line: line}, nil
	}
	rule := Rule{Line: line}
	for _, text := range *allow {
		t, err := token.ParsePattern(text)
		if err != nil {
			face, _ := fault.As(err)
			return rule, r.fail(text, "%s", face.Message).WithHint("%s", face.Hint)
		}
		at, _ := r.place(r.find(`"` + text + `"`))
		rule.Allow = append(rule.Allow, Pattern{t, at})
	}
	return rule, nil
}

func (r *reader) bounds(f fileBounds, table ...string) (b Bounds, err error) {
	b = Bounds{Pools: map[string]int64{}, Limits: map[string]Limit{}}
	for name, n := range f.Pools {
		r.table(append(table, "pools")...)
		t, err := r.resource(name)
		if err != nil {
			return b, err
		}
		if t.Units() == 0 {
			return b, r.fail(name, "%q is not counted", name).WithHint("pools are for llm gpu cpu mem slot tool agent")
		}
		if n < 0 {
			return b, r.fail(name, "%q has %d units", name, n)
		}
		b.Pools[poolPath(name, t)] = n
	}
	for name, l := range f.Limits {
		line := r.table(append(table, "limits", name)...)
		limit, err := r.limit(name, l)
		if err != nil {
			return b, err
		}
		t, err := r.resource(name)
		if err != nil {
			return b, err
		}
		limit.Line = line
		b.Limits[poolPath(name, t)] = limit
	}
	return b, nil
}

// resource reads "llm:openai:gpt4", or a scheme alone.
func (r *reader) resource(name string) (token.Token, error) {
	text := name
	if !strings.Contains(name, ":") {
		text = name + ":any"
	}
	t, err := token.Parse(text)
	if err != nil {
		face, _ := fault.As(err)
		return t, r.fail(name, "%s", face.Message).WithHint("%s", face.Hint)
	}
	if t.Params() != (token.Params{}) || t.Units() > 1 {
		return t, r.fail(name, "%q is not a resource", name).WithHint("write it without units and parameters: llm:openai:gpt4")
	}
	return t, nil
}

func poolPath(name string, t token.Token) string {
	if !strings.Contains(name, ":") {
		return t.Scheme()
	}
	return Path(t)
}

func (r *reader) limit(name string, f fileLimit) (l Limit, err error) {
	if l.Requests, err = r.rate(f.Requests); err != nil {
		return l, err
	}
	if l.Tokens, err = r.rate(f.Tokens); err != nil {
		return l, err
	}
	if f.TokensPerDay < 0 || f.USDPerDay < 0 || math.IsNaN(f.USDPerDay) || f.USDPerDay > 1e9 {
		return l, r.fail(name, "what %q may use a day is out of bounds", name)
	}
	l.TokensPerDay, l.MicroUSDPerDay = f.TokensPerDay, int64(math.Round(f.USDPerDay*1e6))
	return l, nil
}

// rate reads "60/1m" by the grammar of tokens.
func (r *reader) rate(text string) (token.Rate, error) {
	if text == "" {
		return token.Rate{}, nil
	}
	t, err := token.Parse("llm:any?rate=" + text)
	if err != nil || t.Params().Rate.N == 0 {
		return token.Rate{}, r.fail(text, "%q is not a rate", text).WithHint("a number per duration: 60/1m")
	}
	return t.Params().Rate, nil
}

func rank(class string) int {
	for i, c := range Classes {
		if c == class || class == "" && c == "normal" {
			return i
		}
	}
	return -1
}

func plain(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	})
}
