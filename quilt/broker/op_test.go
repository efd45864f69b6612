package broker

import (
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// TestChargeNeedsAuthority: nothing is counted for what the unit may not use.
func TestChargeNeedsAuthority(t *testing.T) {
	set, err := token.ParseSet([]string{"llm:openai:gpt4", "net:example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]fault.Code{
		"llm:openai:gpt4": "", "llm:openai:gpt5": fault.Denied, "net:example.org:443": fault.Denied, "net:example.com:443": "",
	} {
		need, err := token.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		charge, err := Call{Unit: "u", Grant: Grant{Tokens: set}}.Charge(t.Context(), need, Spend{Tokens: 1})
		if fault.CodeOf(err) != want || want == "" && charge.Settle == nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
