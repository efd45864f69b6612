package broker

import (
	"encoding/json"
	"fmt"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// Need is the token that an operation on one resource needs. The path comes from
// inside: only what the grammar takes as exactly this path passes. Fault: Invalid.
func Need(scheme, path string, verb token.Verb) (token.Token, error) {
	t, err := token.Parse(fmt.Sprintf("%s:%s:%s", scheme, path, verb))
	if err != nil || t.Scheme() != scheme || t.Path() != path || t.Verb() != verb || t.Params() != (token.Params{}) {
		return token.Token{}, fault.New(fault.Invalid, "%q is not the name of a %s", Clip(path, 80), scheme).
			WithHint("names are letters, digits, - _ . ~ in segments split by /")
	}
	return t, nil
}

// Into reads the arguments of a call into a struct. Fault: Invalid.
func (c Call) Into(args any) error {
	if err := json.Unmarshal(c.Args, args); err != nil {
		return fault.Wrap(err, fault.Invalid, "the arguments of the operation are not valid").
			WithHint("use the handles of @aria/sdk")
	}
	return nil
}
