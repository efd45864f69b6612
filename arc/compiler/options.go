package compiler

import (
	"fmt"
	"math"
	"regexp"
	"strconv"

	"github.com/microsoft/typescript-go/arctsc"

	"github.com/ariacomputecompany/firmware/bundle"
)

// options reads what a mark and aria.toml say about one unit; aria.toml wins.
// Every reader checks the kind of the value, because aria.toml has no types.
type options struct {
	u      *units
	unit   string
	mark   arctsc.Mark
	source arctsc.Value
	over   map[string]any
	read   map[string]bool
}

// options of the unit that the source calls name; its `name` option decides
// under which name aria.toml speaks of it.
func (u *units) options(mark arctsc.Mark, name string) *options {
	o := &options{u: u, mark: mark, source: mark.Options, read: map[string]bool{}, unit: name}
	if v, ok := mark.Options.Get("name"); ok && v.Kind == arctsc.String {
		o.unit = v.String
	}
	if name != "" { // steps cannot be overridden
		o.over = u.in.Overrides[o.unit]
	}
	return o
}

func (o *options) get(key string) (arctsc.Value, bool) {
	o.read[key] = true
	if v, ok := o.over[key]; ok {
		return fromTOML(v), true
	}
	return o.source.Get(key)
}

// at is where an option stands, for a complaint.
func (o *options) at(key string) arctsc.Span {
	if v, ok := o.get(key); ok {
		if v.At.Line > 0 || v.At.File != "" {
			return v.At
		}
	}
	return o.mark.At
}

func (o *options) fail(key, want string) {
	place := ""
	if _, ok := o.over[key]; ok {
		place = " in aria.toml"
	}
	o.u.fail(o.at(key), "ARC1040", want, "option %q of %s%s has the wrong form", key, o.unit, place)
}

func (o *options) text(key, otherwise string) string {
	v, ok := o.get(key)
	if !ok {
		return otherwise
	}
	if v.Kind != arctsc.String {
		o.fail(key, "write a string")
	}
	return v.String
}

func (o *options) flag(key string) bool {
	v, ok := o.get(key)
	if ok && v.Kind != arctsc.Bool {
		o.fail(key, "write true or false")
	}
	return v.Bool
}

// count is a whole number that is not negative.
func (o *options) count(key string) int {
	v, ok := o.get(key)
	if ok && (v.Kind != arctsc.Number || v.Number != math.Trunc(v.Number) || v.Number < 0 || v.Number > 1e6) {
		o.fail(key, "write a whole number from 0 to 1000000")
		return 0
	}
	return int(v.Number)
}

func (o *options) cores(key string) int64 {
	v, ok := o.get(key)
	if ok && (v.Kind != arctsc.Number || !(v.Number > 0) || v.Number > 1024) {
		o.fail(key, "write a number of cores: 0.5, 2")
		return 0
	}
	return int64(math.Round(v.Number * 1000))
}

// list takes a list, or one value for a list of one.
func (o *options) list(key string) []arctsc.Value {
	v, ok := o.get(key)
	switch {
	case !ok:
		return nil
	case v.Kind == arctsc.List:
		return v.List
	}
	return []arctsc.Value{v}
}

func (o *options) duration(key string) int64 {
	v, ok := o.get(key)
	if !ok {
		return 0
	}
	ms, err := parseDuration(v.String)
	if v.Kind != arctsc.String || err != nil {
		o.fail(key, `write a time above zero with its unit: "250ms", "20s", "5m", "2h", "7d"`)
	}
	return ms
}

// grace is a time that may be none, for absent it is the engine's default.
func (o *options) grace(key string) *int64 {
	v, ok := o.get(key)
	if !ok {
		return nil
	}
	var ms int64
	if v.Kind != arctsc.String || !noTime.MatchString(v.String) {
		ms = o.duration(key)
	}
	if ms > bundle.MostGraceMS {
		o.fail(key, "write at most one minute")
	}
	return &ms
}

var noTime = regexp.MustCompile(`^0(ms|s|m|h|d)$`)

func (o *options) size(key string) int64 {
	v, ok := o.get(key)
	if !ok {
		return 0
	}
	n, err := parseSize(v.String)
	if v.Kind != arctsc.String || err != nil {
		o.fail(key, `write an amount with its unit: "64MiB", "1GiB"`)
	}
	return n
}

func (o *options) budget(key string) bundle.Budget {
	v, ok := o.get(key)
	if !ok {
		return bundle.Budget{}
	}
	if v.Kind != arctsc.Object {
		o.fail(key, `write { usd: 0.05, tokens: 20000, time: "2m" }`)
		return bundle.Budget{}
	}
	inner := &options{u: o.u, mark: o.mark, source: v, read: map[string]bool{}, unit: "the budget of " + o.unit}
	b := bundle.Budget{Tokens: int64(inner.number("tokens")), USD: inner.number("usd"), TimeMS: inner.duration("time"), Steps: inner.count("steps")}
	inner.done()
	return b
}

// approval is true, or an object that says who approves and how long to wait.
func (o *options) approval(key string) (bool, *bundle.Approval) {
	v, ok := o.get(key)
	if !ok || v.Kind != arctsc.Object {
		return o.flag(key), nil
	}
	inner := &options{u: o.u, mark: o.mark, source: v, read: map[string]bool{}, unit: "the approval of " + o.unit}
	a := &bundle.Approval{Role: inner.text("role", ""), TimeoutMS: inner.duration("timeout")}
	inner.done()
	if *a == (bundle.Approval{}) {
		return true, nil
	}
	return true, a
}

func (o *options) number(key string) float64 {
	v, ok := o.get(key)
	if ok && (v.Kind != arctsc.Number || !(v.Number >= 0) || v.Number > 1e15) {
		o.fail(key, "write a number that is not negative")
		return 0
	}
	return v.Number
}

// done refuses options that nobody read: a typing error in aria.toml, or an
// option of another kind of unit.
func (o *options) done() {
	for _, key := range sortedKeys(o.over) {
		if !o.read[key] {
			o.u.fail(arctsc.Span{File: "aria.toml"}, "ARC1041", "take it out, or move it to a unit that has it", "%s has no option %q", o.unit, key)
		}
	}
	for _, f := range o.source.Fields {
		if !o.read[f.Name] && f.Value.Kind != arctsc.Undefined {
			o.u.fail(f.Value.At, "ARC1041", "take it out", "%s has no option %q", o.unit, f.Name)
		}
	}
}

// unknownOverrides: a table for a unit that is not there is a typing error.
func (u *units) unknownOverrides() {
	for _, name := range sortedKeys(u.in.Overrides) {
		if _, ok := u.at[name]; !ok && len(u.list) > 0 {
			u.fail(arctsc.Span{File: "aria.toml"}, "ARC1042", "units of this project: "+u.allNames(), "aria.toml sets options of %q, which is no unit", name)
		}
	}
}

var amount = regexp.MustCompile(`^(\d+(?:\.\d+)?)([A-Za-z]+)$`)

var (
	durationUnits = map[string]float64{"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
	sizeUnits     = map[string]float64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
)

func parseDuration(s string) (int64, error) { return parseAmount(s, durationUnits) }
func parseSize(s string) (int64, error)     { return parseAmount(s, sizeUnits) }

func parseAmount(s string, units map[string]float64) (int64, error) {
	m := amount.FindStringSubmatch(s)
	if m == nil || units[m[2]] == 0 {
		return 0, fmt.Errorf("%q is no amount with a unit", s)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, fmt.Errorf("%q: %w", s, err)
	}
	n = math.Round(n * units[m[2]])
	if n < 1 || n > 1<<53 {
		return 0, fmt.Errorf("%q is out of range", s)
	}
	return int64(n), nil
}
