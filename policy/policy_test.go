package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

const example = `waiting = 500

[machine.pools]
"slot" = 4
"llm:openai" = 8

[machine.limits."llm:openai:gpt4"]
requests = "60/1m"
tokens = "90000/1m"
usd_per_day = 5.5

[tenant.default]
weight = 2

[tenant."*"]
allow = []

[tenant.acme]
allow = [
  "kv:*:rw",
  "llm:openai",
  "net:*:443",
]
class = "batch"
pools = { "llm:openai" = 2 }

[namespace.shady]
allow = ["kv:shady:rw"]
`

func parsed(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := Parse("policy.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestExplain(t *testing.T) {
	p := parsed(t, example)
	for _, c := range []struct {
		who   Who
		token string
		want  Answer
	}{
		{Who{Tenant: "acme"}, "kv:orders/eu:a", Answer{Allowed: true, Why: []string{"tenant.acme, line 20, allows kv:*:rw"}}},
		{Who{Tenant: "acme"}, "secret:KEY", Answer{Why: []string{"tenant.acme, line 18, does not allow it"}}},
		{Who{Tenant: "acme"}, "llm:openai:gpt4", Answer{Allowed: true, Why: []string{
			"tenant.acme, line 21, allows llm:openai",
			"at most 60 requests in 1m0s of llm/openai/gpt4 on this machine (machine.limits, line 7)",
			"at most 90000 model tokens in 1m0s of llm/openai/gpt4 on this machine (machine.limits, line 7)",
			"at most 5.50 dollars a day of llm/openai/gpt4 on this machine (machine.limits, line 7)",
			"at most 8 of llm/openai at once on this machine (machine.pools)",
			"at most 2 of llm/openai at once of the tenant (tenant.acme.pools)",
		}}},
		{Who{}, "kv:x:rw", Answer{Allowed: true, Why: []string{"tenant.default, line 12, has no allow list, so it allows everything"}}},
		{Who{Tenant: "other"}, "kv:x:r", Answer{Why: []string{"tenant.*, line 15, does not allow it"}}},
		{Who{Package: "shady/tool"}, "kv:x:r", Answer{Why: []string{
			"tenant.default, line 12, has no allow list, so it allows everything", "namespace.shady, line 27, does not allow it"}}},
		{Who{}, "slot:*#5", Answer{Why: []string{"tenant.default, line 12, has no allow list, so it allows everything",
			"at most 4 of slot at once on this machine (machine.pools)", "it asks for 5, which can never be had"}}},
		{Who{}, "gpu:0", Answer{Why: []string{"tenant.default, line 12, has no allow list, so it allows everything",
			"machine.pools has no gpu, so it can never be had"}}},
	} {
		tok, err := token.Parse(c.token)
		if err != nil {
			t.Fatal(err)
		}
		c.want.Token = tok.String()
		if diff := cmp.Diff(c.want, p.Explain(c.who, tok)); diff != "" {
			t.Errorf("%s for %+v (-want +got):\n%s", c.token, c.who, diff)
		}
	}
	if a := (*Policy)(nil).Explain(Who{}, mustToken(t, "kv:x:rw")); !a.Allowed {
		t.Errorf("no policy: %+v", a)
	}
}

func mustToken(t *testing.T, text string) token.Token {
	t.Helper()
	tok, err := token.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// TestWrongPolicies: every mistake has its place and, where there is one, its
// cure.
func TestWrongPolicies(t *testing.T) {
	for _, c := range []struct{ text, message, hint string }{
		{"[tenant.a]\nalow = []\n", `policy.toml:2:1: unknown word "alow"`, `did you mean "allow"?`},
		{"[tenant.a]\nallow = [\n \"kv:*:rw\",\n \"kvs:x:r\"]\n", `policy.toml:4:3: token "kvs:x:r", column 1: unknown scheme "kvs"`, `did you mean "kv"?`},
		{"x = = 1", "policy.toml:1:5: ", "TOML"},
		{"[tenant.a]\nclass = \"urgent\"", `policy.toml:2:1: unknown class "urgent"`, "system interactive normal batch"},
		{"[machine.pools]\n\"kv:x\" = 3", `policy.toml:2:2: "kv:x" is not counted`, "pools are for"},
		{"[machine.limits.\"llm:openai\"]\nrequests = \"lots\"", `policy.toml:2:13: "lots" is not a rate`, "60/1m"},
		{"[namespace.\"acme/x\"]\nallow = []", `policy.toml:1:13: "acme/x" is not a namespace`, "acme"},
		{"[tenant.\"a b\"]\n", `policy.toml:1:10: "a b" is not the name of a tenant`, "letters"},
		{"[tenant.a]\nweight = -1", "policy.toml:2:1: weight is -1", ""},
	} {
		_, err := Parse("policy.toml", []byte(c.text))
		f, ok := fault.As(err)
		if !ok || f.Code != fault.Invalid || !strings.HasPrefix(f.Message, c.message) || !strings.Contains(f.Hint, c.hint) {
			t.Errorf("%q:\n got %v (hint %q)\nwant %s (%s)", c.text, err, f.Hint, c.message, c.hint)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("[tenant.a]\nallow = [\"kv:*:rw\"]\n[machine.pools]\nslot = 3")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse("p", []byte(text))
		if err != nil {
			if face, ok := fault.As(err); !ok || face.Code != fault.Invalid {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		p.Explain(Who{Tenant: "a", Package: "b/c"}, mustToken(t, "llm:a:b"))
	})
}
