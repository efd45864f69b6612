package words_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/llm/words"
)

func TestTokens(t *testing.T) {
	for text, want := range map[string][]string{
		"Look up the orders":      {"look", "up", "order"},
		"getOrderById":            {"get", "order", "id"},
		"stopped running parties": {"stop", "run", "party"},
	} {
		if d := cmp.Diff(want, words.Tokens(text)); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
	}
}

func TestActions(t *testing.T) {
	for request, want := range map[string]words.Action{
		"get rid of it":                "delete",
		"how many are there":           "count",
		"who changed it and when?":     "history",
		"no, we do not want it":        "reject",
		"give it to Jana":              "assign",
		"put it away into the archive": "archive",
	} {
		if words.ActionsIn(request)[want] == 0 {
			t.Errorf("%q does not ask for %s: %v", request, want, words.ActionsIn(request))
		}
	}
	if got := words.ActionsIn("I know nothing of it"); got["reject"] != 0 {
		t.Errorf("a word that only begins like no: %v", got)
	}
	if d := cmp.Diff([]words.Action{"delete"}, words.ActionsOf("Remove")); d != "" {
		t.Error(d)
	}
}
