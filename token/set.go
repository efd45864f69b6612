package token

import (
	"slices"
	"strings"
)

var verbRank = map[Verb]int{"": 0, Snapshot: 0, Read: 1, Atomic: 2, Update: 3, Write: 4}

// Covers reports whether holding authority t is enough to ask for o: the same
// scheme, o's node at or below t's, a verb no stronger (s < r < a < u < rw), no
// more units, and neither a wider rate or budget nor a higher class. hold, wait
// and ttl say how to hold and do not count.
func (t Token) Covers(o Token) bool {
	if t.text == "" || t.scheme != o.scheme || verbRank[o.verb] > verbRank[t.verb] || o.units > t.units {
		return false
	}
	if !t.params.bounds(o.params) {
		return false
	}
	if t.scheme == "net" {
		return coversHost(t.path, o.path)
	}
	ours, theirs := t.Segments(), o.Segments()
	if len(ours) > len(theirs) {
		return false
	}
	for i, seg := range ours {
		if seg != "*" && seg != theirs[i] {
			return false
		}
	}
	return true
}

func (ps Params) bounds(o Params) bool {
	if prioRank(o.Prio) > prioRank(ps.Prio) {
		return false
	}
	if ps.Budget > 0 && (o.Budget == 0 || o.Budget > ps.Budget) {
		return false
	}
	if ps.Rate.N == 0 {
		return true
	}
	// A smaller window is a tighter burst: o may ask at most as many operations
	// in a window at least as long.
	return o.Rate.N > 0 && o.Rate.N <= ps.Rate.N && o.Rate.Per >= ps.Rate.Per
}

// coversHost: "*.example.com" covers every name below example.com, not itself.
func coversHost(ours, theirs string) bool {
	host, port := splitPort(ours)
	h, p := splitPort(theirs)
	if port != "*" && port != p {
		return false
	}
	if host == "*" || host == h {
		return true
	}
	return strings.HasPrefix(host, "*.") && strings.HasSuffix(h, host[1:])
}

// Set is a list of tokens in canonical order without duplicates. The nil Set is
// empty and covers nothing.
type Set []Token

// ParseSet reads tokens that code may ask for.
func ParseSet(texts []string) (Set, error) { return parseSet(texts, Parse) }

// ParsePatterns reads a policy.
func ParsePatterns(texts []string) (Set, error) { return parseSet(texts, ParsePattern) }

func parseSet(texts []string, parse func(string) (Token, error)) (Set, error) {
	set := make(Set, 0, len(texts))
	for _, s := range texts {
		t, err := parse(s)
		if err != nil {
			return nil, err
		}
		set = append(set, t)
	}
	return set.sorted(), nil
}

// NewSet sorts the tokens and drops duplicates; tokens is left as it is.
func NewSet(tokens ...Token) Set { return slices.Clone(Set(tokens)).sorted() }

func (s Set) sorted() Set {
	slices.SortFunc(s, func(a, b Token) int { return strings.Compare(a.text, b.text) })
	return slices.Compact(s)
}

// Covers reports whether one token of s covers t.
func (s Set) Covers(t Token) bool {
	return slices.ContainsFunc(s, func(ours Token) bool { return ours.Covers(t) })
}

// Sub reports whether other covers every token of s: a child's set must be Sub
// of its parent's.
func (s Set) Sub(other Set) bool { return len(s.Outside(other)) == 0 }

// Outside lists the tokens of s that other does not cover.
func (s Set) Outside(other Set) Set {
	var out Set
	for _, t := range s {
		if !other.Covers(t) {
			out = append(out, t)
		}
	}
	return out
}

// Strings are the canonical forms.
func (s Set) Strings() []string {
	out := make([]string, len(s))
	for i, t := range s {
		out[i] = t.text
	}
	return out
}
