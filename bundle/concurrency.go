package bundle

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Concurrency bounds the runs of a unit that go on at once.
type Concurrency struct {
	// Key is a place in the input, "input.customer": runs with the same value
	// there count together. Empty: all runs of the unit do.
	Key  string `json:"key,omitempty"`
	Max  int    `json:"max"` // at least 1
	Then string `json:"then"`
}

// What becomes of a run that is one too many.
const (
	ThenQueue  = "queue"      // it waits for its turn, in order of arrival
	ThenOld    = "cancel-old" // the oldest is cancelled for it
	ThenRefuse = "refuse"     // it is refused
)

var concurrencyKey = regexp.MustCompile(`^input(\.[A-Za-z_$][A-Za-z0-9_$]*)+$`)

// Check says what is wrong with it.
func (c Concurrency) Check() *fault.Error {
	switch {
	case c.Key != "" && (len(c.Key) > 200 || !concurrencyKey.MatchString(c.Key)):
		return odd("%q is no place in the input", c.Key).WithHint(`write the way to a property: "input.customer"`)
	case c.Max < 1 || c.Max > 1_000_000:
		return odd("%d runs at once cannot be", c.Max).WithHint("write a whole number from 1 to 1000000")
	case !slices.Contains([]string{ThenQueue, ThenOld, ThenRefuse}, c.Then):
		return odd("%q is no answer to a run too many", c.Then).WithHint(`write "queue", "cancel-old" or "refuse"`)
	}
	return nil
}

// Of is the value of Key in an input, as text; "" without a Key, "null" where
// there is nothing.
func (c Concurrency) Of(input json.RawMessage) string {
	if c.Key == "" {
		return ""
	}
	for _, name := range strings.Split(c.Key, ".")[1:] {
		var o map[string]json.RawMessage
		if json.Unmarshal(input, &o) != nil {
			return "null"
		}
		input = o[name]
	}
	if len(input) == 0 {
		return "null"
	}
	var v any
	if json.Unmarshal(input, &v) != nil {
		return "null"
	}
	text, err := json.Marshal(v) // one form for one value
	if err != nil {
		return "null"
	}
	return string(text)
}
