package bundle

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Pins are written for what the lock knows, once for each bundle and range, in
// one order, and found again by reference.
func TestPins(t *testing.T) {
	digest := Digest("sha256:" + strings.Repeat("0a", 32))
	m := &Manifest{Units: []Unit{{Name: "desk", Kind: Agent, Agent: &AgentSpec{Tools: []string{
		"own", "acme/search@^1#web", "acme/search@^1#deep", "acme/search@~1.2#web", "acme/mail#send", "free/x@^1#y"}}}}}
	m.SetPins(func(r Reference) (string, Digest, bool) { return "1.2.3", digest, r.Bundle != "free/x" })
	want := []Pin{{"acme/mail", "", "1.2.3", digest}, {"acme/search", "^1", "1.2.3", digest}, {"acme/search", "~1.2", "1.2.3", digest}}
	if diff := cmp.Diff(want, m.Pins); diff != "" {
		t.Error(diff)
	}
	if err := checkPins(m); err != nil {
		t.Error(err)
	}
	for ref, want := range map[string]bool{"acme/search@^1#deep": true, "acme/mail#send": true, "acme/mail@*#send": false, "free/x@^1#y": false, "own": false} {
		if _, ok := m.Pin(ref); ok != want {
			t.Errorf("pin of %s: %v", ref, ok)
		}
	}
}
