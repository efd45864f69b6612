package arctsc

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// pieces of comments and of options, put together at random below. The native
// fuzzer would instrument the whole of TypeScript, which takes ten minutes.
var (
	words = []string{"how many ", "@minimum 1 ", "@pattern ^a+$ ", "@example {\"a\":1} ", "@type {integer} ", "@items.minimum 0 ", "\n * ",
		`@items {"type":"integer","format":3} `, "@nullable ", "@default null ", "@minimum NaN ", "@maximum 1e999 ", "@examples [1,2] ", "a@b.c ",
		"@param a ", "@param {x} [o.b=1] - ", "@returns {@ ", "{@link C} ", "@deprecated ", "@", "{", "é\u2028", "\x00", "\xff", "`", "@TJS-type string "}
	parts = []string{"{", "}", "name: ", "'a'", "`a${", "}`", "1", "[", "]", "...", "C", ".x", "(", ")", " as any", "+", "-", "? ", ": ", ",", "undefined", "null", "!", "'"}
)

func random(r *rand.Rand, from []string) string {
	var b strings.Builder
	for range r.IntN(9) {
		b.WriteString(from[r.IntN(len(from))])
	}
	return b.String()
}

// TestTagsAtRandom: a tag's words become a schema that can be written.
func TestTagsAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		text := random(r, words)
		var c comment
		if rest := c.split(text); !strings.Contains(text, rest) {
			t.Fatalf("%q is no part of %q", rest, text)
		}
		for _, s := range []keys{typed("number"), typed("array").with("items", typed("number")), typed("object"), ref("X")} {
			if out := encode(c.add(s)); len(out) == 0 || utf8.ValidString(text) && !utf8.Valid(out) {
				t.Fatalf("%q gives %q", text, out)
			}
		}
	}
}

// TestSourceAtRandom: whatever stands where a decorator's options and a comment
// stand, Analyze comes back with facts or complaints.
func TestSourceAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	for range 60 {
		text := "import { tool } from '@aria/sdk';\nexport class C {\n  /** " + random(r, words) + " */\n  @tool(" + random(r, parts) +
			")\n  async f(a: number, o?: { b: string }): Promise<void> {}\n}\n"
		for _, p := range Analyze(context.Background(), project1(t, text)).Problems {
			if p.Code == "ARC0001" {
				t.Errorf("%s\n%s\n%s", text, p.Text, p.Trace)
			}
		}
	}
}
