package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/llm"
)

// maxName is the dialect's bound; its alphabet is [a-zA-Z0-9_-].
const maxName = 64

// Names maps unit names to names the dialect can spell, and back.
type Names struct{ out, back map[string]string }

// NewNames is the same for the same set of tools in any order. A name that can
// be spelled keeps itself; of those that would collide each gets a hash.
func NewNames(tools []llm.Tool) Names {
	n := Names{out: map[string]string{}, back: map[string]string{}}
	var units []string
	wanted := map[string]int{}
	for _, t := range tools {
		if _, seen := n.out[t.Name]; seen {
			continue
		}
		n.out[t.Name] = ""
		units = append(units, t.Name)
		wanted[spell(t.Name)]++
	}
	slices.Sort(units)
	for _, u := range units {
		w := spell(u)
		if w != u && (wanted[w] > 1 || len(w) > maxName) {
			w = hashed(w, u)
		}
		n.out[u], n.back[w] = w, u
	}
	return n
}

func spell(unit string) string {
	s := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, unit)
	if s == "" {
		s = "_"
	}
	if len(s) > maxName {
		return hashed(s, unit)
	}
	return s
}

func hashed(s, unit string) string {
	sum := sha256.Sum256([]byte(unit))
	return s[:min(len(s), maxName-9)] + "_" + hex.EncodeToString(sum[:4])
}

// Wire is a unit's name for the server, also of a tool that is offered no more.
func (n Names) Wire(unit string) string {
	if w, ok := n.out[unit]; ok {
		return w
	}
	return spell(unit)
}

// Unit is the name behind what the model wrote; what no tool has stays as it is.
func (n Names) Unit(wire string) string {
	if u, ok := n.back[wire]; ok {
		return u
	}
	return wire
}
