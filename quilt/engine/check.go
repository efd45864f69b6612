package engine

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/scheduler"
	"github.com/ariacomputecompany/firmware/token"
)

// checked is a request that holds together.
type checked struct {
	Request
	tokens  token.Set
	reach   token.Set // what decides whether there is a gate: tokens, or in a replay what the unit had then
	start   []byte    // the frame of opening
	opening broker.Start
	class   scheduler.Class
	chain   []string // of authority, for the audit
	began   time.Time
	revoke  func(by string)
	held    bool // a caller's own session: nothing of it is held at first
}

func check(r Request, services []broker.Service) (checked, error) {
	c := checked{Request: r}
	var err error
	if err := checkName("execution", r.Execution); err != nil {
		return c, err
	}
	if r.Tenant != "" {
		if err := checkName("tenant", r.Tenant); err != nil {
			return c, err
		}
	}
	if err = c.takeTokens(services); err != nil {
		return c, err
	}
	if c.Limits, err = r.Limits.withDefaults(); err != nil {
		return c, err
	}
	if err := checkCode(r); err != nil {
		return c, err
	}
	if len(r.Input) == 0 {
		c.Input = json.RawMessage("[]")
	}
	if trimmed := bytes.TrimSpace(c.Input); !json.Valid(trimmed) || trimmed[0] != '[' {
		return c, fault.New(fault.Invalid, "the input is not a JSON array of arguments").WithHint("pass [] for none")
	}
	if len(r.Revive) > 0 && !json.Valid(r.Revive) {
		return c, fault.New(fault.Invalid, "revive is not JSON").WithHint("leave it out when no rich types cross")
	}
	c.opening = broker.Start{
		Execution: r.Execution, Unit: r.Unit, Files: r.Files, Entry: r.Entry, Export: r.Export, Method: r.Method,
		Args: c.Input, Revive: r.Revive, DeadlineMs: c.Limits.Wall.Milliseconds(),
	}
	if j := r.Journal; j != nil {
		if len(j.Seed) != 32 {
			return c, fault.New(fault.Invalid, "the seed of a journal has %d bytes, not 32", len(j.Seed))
		}
		c.opening.Clock, c.opening.Seed = j.Clock.UnixMilli(), hex.EncodeToString(j.Seed)
	}
	c.start, err = c.opening.Frame()
	return c, err
}

// takeTokens reads the tokens. A replay holds none: the record answers.
func (c *checked) takeTokens(services []broker.Service) (err error) {
	if j := c.Journal; j != nil && j.Sealed {
		c.reach, err = token.ParseSet(c.Tokens)
		c.Tokens = nil
		return err
	}
	c.tokens, err = checkTokens(c.Tokens, services)
	c.reach = c.tokens
	return err
}

func checkName(what, s string) error {
	if s == "" || len(s) > 128 || strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	}) {
		return fault.New(fault.Invalid, "%q is not a name for the %s", s, what).WithHint("1 to 128 letters, digits, - _ and .")
	}
	return nil
}

// checkTokens takes what this build can serve. A token that nobody stands behind
// is refused here, not granted and then found empty.
func checkTokens(texts []string, services []broker.Service) (token.Set, error) {
	set, err := token.ParseSet(texts)
	if err != nil {
		return nil, err
	}
	for _, t := range set {
		if !slices.Contains(onlyHeld, t.Scheme()) && !slices.ContainsFunc(services, func(s broker.Service) bool { return s.Scheme == t.Scheme() }) {
			return nil, fault.New(fault.Unimplemented, "token %s: this quiltd does not serve %q tokens", t, t.Scheme()).
				WithHint("remove the permission from the unit")
		}
	}
	return set, nil
}

func checkCode(r Request) error {
	seen := map[string]bool{}
	for _, f := range r.Files {
		if f.Path == "" || len(f.Path) > 512 || path.Clean("/"+f.Path) != "/"+f.Path || strings.ContainsAny(f.Path, "\x00\\") {
			return fault.New(fault.Invalid, "%q is not a path for a file of the unit", f.Path).WithHint("paths are relative and have no . or .. in them")
		}
		if seen[f.Path] {
			return fault.New(fault.Invalid, "file %q is there twice", f.Path)
		}
		if !utf8.ValidString(f.Content) {
			return fault.New(fault.Invalid, "file %q is not UTF-8", f.Path).WithHint("code and source maps are text")
		}
		seen[f.Path] = true
	}
	if !seen[r.Entry] {
		return fault.New(fault.Invalid, "the entry %q of %s is not among its files", r.Entry, r.Unit).WithHint("build the bundle again")
	}
	if r.Export == "" {
		return fault.New(fault.Invalid, "%s names no export of %q", r.Unit, r.Entry).WithHint("build the bundle again")
	}
	return nil
}
