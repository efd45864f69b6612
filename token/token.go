// Package token is the grammar of resource tokens: `kv:orders:rw`,
// `llm:openai:gpt4#2`, `net:api.example.com:443`. It reads a token, prints its
// one canonical form, says which lock mode it asks for, and decides whether one
// token lies inside another. It grants nothing and holds nothing: who has which
// token is quilt/scheduler's business. The form is specified in
// docs/spec/token.md; testdata/vectors.json can be run by any implementation.
package token

import "strings"

// Limits of one token.
const (
	MaxBytes    = 512 // of the whole text
	MaxDepth    = 8   // segments of a path
	MaxSegment  = 64  // characters of a segment
	maxUnitsLen = 9   // digits
)

// Token is one parsed token, always in canonical form. Tokens are comparable
// with == and can be map keys. The zero Token is not a token: it covers nothing
// and prints as "".
type Token struct {
	text   string
	scheme string
	path   string
	verb   Verb
	units  int64
	params Params
}

// Verb says what a holder does with a resource. Schemes without verbs have "".
type Verb string

const (
	Snapshot Verb = "s"  // reads one snapshot, waits for nobody
	Read     Verb = "r"  // shared: no writer meanwhile
	Atomic   Verb = "a"  // many writers, each operation atomic by itself
	Update   Verb = "u"  // reads, may become a writer later
	Write    Verb = "rw" // exclusive; "w" is read as the same
)

// String is the canonical form: the token's identity for comparing, hashing,
// signing and audit. Parse(t.String()) gives t again.
func (t Token) String() string { return t.text }

// MarshalText is the canonical form.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.text), nil }

// Scheme is "kv", "llm", … in lower case.
func (t Token) Scheme() string { return t.scheme }

// Path is the canonical path: "orders/2026", "/data/x", "openai:gpt4",
// "api.example.com:443".
func (t Token) Path() string { return t.path }

// Verb is explicit for schemes that take one, else "".
func (t Token) Verb() Verb { return t.verb }

// Params are what stands after "?".
func (t Token) Params() Params { return t.params }

// HoldsTx: the token is authority while the unit runs and a lock only inside a
// transaction (hold=tx).
func (t *Token) HoldsTx() bool { return t.params.Hold == "tx" }

// OnUse: the token is authority while the unit runs, and what it locks or counts
// is taken by each use: hold=tx, and calls of models, tools and agents.
func (t *Token) OnUse() bool {
	return t.HoldsTx() || t.scheme == "llm" || t.scheme == "tool" || t.scheme == "agent"
}

// Units is how many units of a pool the token takes: at least 1 for llm, gpu,
// cpu, mem, slot, tool and agent, 0 for all other schemes.
func (t Token) Units() int64 { return t.units }

// Segments is the path from the root of the scheme's tree downwards. A net
// token has two: host and port.
func (t Token) Segments() []string {
	switch schemes[t.scheme].shape {
	case hostport:
		host, port := splitPort(t.path)
		return []string{host, port}
	case absolute:
		return strings.Split(t.path[1:], "/")
	case colons:
		return strings.Split(t.path, ":")
	}
	return strings.Split(t.path, "/")
}

// IsPattern reports whether the token has a "*" that stands for any name, and
// so can be used in a policy but not be asked for. `gpu:*#2` is not a pattern:
// it asks for any two.
func (t Token) IsPattern() bool {
	if !strings.Contains(t.path, "*") {
		return false
	}
	return !anyUnits(t.scheme, t.path) && !suffixHost(t.scheme, t.path)
}

// Mode is the lock mode the token asks for on its node of the resource tree;
// None if it locks nothing (authority only, or units of a pool).
func (t Token) Mode() Mode {
	switch t.verb {
	case Read:
		return S
	case Atomic:
		return IX
	case Update:
		return U
	case Write:
		return X
	}
	if t.scheme == "gpu" && t.path != "*" {
		return X
	}
	return None
}

// anyUnits: "*" as the whole path of a pool means "any of them".
func anyUnits(scheme, path string) bool {
	return path == "*" && schemes[scheme].counted && schemes[scheme].any
}

// suffixHost: "*.example.com" is an ordinary net token.
func suffixHost(scheme, path string) bool {
	return scheme == "net" && strings.HasPrefix(path, "*.") && !strings.HasSuffix(path, ":*")
}
