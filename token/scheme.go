package token

import "strings"

// shape is how a scheme's path is written.
type shape uint8

const (
	tree     shape = iota // a/b/c
	absolute              // /a/b/c
	colons                // a:b:c ("/" is read as ":")
	hostport              // host:port
)

// scheme is one row of the table in docs/spec/token.md.
type scheme struct {
	shape   shape
	verb    Verb // default; "" if the scheme takes no verb
	counted bool // takes "#units"
	any     bool // "*" asks for any unit of the pool
	rated   bool // takes rate=
}

var schemes = map[string]scheme{
	"kv":     {shape: tree, verb: Read},
	"vector": {shape: tree, verb: Read},
	"blob":   {shape: tree, verb: Read},
	"fs":     {shape: absolute, verb: Read},
	"queue":  {shape: tree, verb: Read},
	"lock":   {shape: tree, verb: Write},
	"llm":    {shape: colons, counted: true, rated: true},
	"net":    {shape: hostport, rated: true},
	"secret": {shape: colons},
	"gpu":    {shape: colons, counted: true, any: true},
	"cpu":    {shape: colons, counted: true, any: true},
	"mem":    {shape: colons, counted: true, any: true},
	"slot":   {shape: colons, counted: true, any: true},
	"tool":   {shape: colons, counted: true, rated: true},
	"agent":  {shape: colons, counted: true, rated: true},
}

// schemeOf finds the row. "x-name" schemes are authority only.
func schemeOf(name string) (scheme, bool) {
	if k, ok := schemes[name]; ok {
		return k, true
	}
	rest, ok := strings.CutPrefix(name, "x-")
	if !ok || rest == "" || len(rest) > 32 {
		return scheme{}, false
	}
	for _, c := range rest {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return scheme{}, false
		}
	}
	return scheme{shape: tree}, true
}
