package project

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

var (
	topKeys = []string{"name", "version", "description", "entry", "build", "allow", "units"}
	// optionKeys are the decorator options that an override may set.
	optionKeys = []string{
		"timeout", "grace", "retries", "idempotent", "approve", "memory", "cpu",
		"model", "instructions", "maxSteps", "budget", "maxTurns", "mode", "scratchpad",
		"on", "every", "cron", "http", "description",
	}

	nameForm    = regexp.MustCompile(`^([a-z][a-z0-9-]*/)?[a-z][a-z0-9-]*$`)
	unitForm    = regexp.MustCompile(`^[A-Za-z_$][\w$-]*(\.[A-Za-z_$][\w$-]*)?$`)
	versionForm = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)` +
		`(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)
)

const maxName = 100

// parser holds the text for the places in its complaints.
type parser struct{ text string }

// Parse reads the text of an aria.toml; Dir stays empty.
func Parse(text string) (*Project, error) {
	ps := parser{text}
	var top map[string]any
	if _, err := toml.Decode(text, &top); err != nil {
		var pe toml.ParseError
		if errors.As(err, &pe) {
			return nil, fault.New(fault.Invalid, "%s:%d:%d: %s", FileName, pe.Position.Line, pe.Position.Col, pe.Message).
				WithHint(`a line reads key = "value"; see https://toml.io`)
		}
		return nil, fault.Wrap(err, fault.Invalid, "%s is not TOML", FileName)
	}
	for _, key := range sortedKeys(top) {
		if !slices.Contains(topKeys, key) {
			return nil, ps.unknown([]string{key}, topKeys)
		}
	}
	p := &Project{}
	steps := []func(map[string]any, *Project) error{ps.name, ps.version, ps.description, ps.entry, ps.build, ps.allow, ps.units}
	for _, step := range steps {
		if err := step(top, p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (ps parser) name(top map[string]any, p *Project) (err error) {
	if p.Name, err = ps.text1(top, "name"); err != nil {
		return err
	}
	if _, ok := top["name"]; !ok {
		return fault.New(fault.Invalid, `%s:1:1: "name" is missing`, FileName).WithHint(`add name = "orders"`)
	}
	return ps.wrap("name", CheckName(p.Name))
}

// CheckName says what is wrong with a project's name.
func CheckName(name string) *fault.Error {
	if !nameForm.MatchString(name) || len(name) > maxName {
		return fault.New(fault.Invalid, "%q is not a project name", name).
			WithHint(`use lower-case letters, digits and "-", starting with a letter, at most one "/" after a namespace: "orders", "acme/orders"`)
	}
	return nil
}

func (ps parser) version(top map[string]any, p *Project) (err error) {
	if p.Version, err = ps.text1(top, "version"); err != nil {
		return err
	}
	if _, ok := top["version"]; !ok {
		return fault.New(fault.Invalid, `%s:1:1: "version" is missing`, FileName).WithHint(`add version = "0.1.0"`)
	}
	if !versionForm.MatchString(p.Version) {
		return ps.at([]string{"version"}, "%q is not a semantic version", p.Version).
			WithHint(`write three numbers: version = "0.1.0"`)
	}
	return nil
}

func (ps parser) description(top map[string]any, p *Project) (err error) {
	p.Description, err = ps.text1(top, "description")
	return err
}

func (ps parser) entry(top map[string]any, p *Project) error {
	v, ok := top["entry"]
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return ps.at([]string{"entry"}, `"entry" must be a list of globs`).WithHint(`write entry = ["src/**/*.ts"]`)
	}
	for _, item := range list {
		glob, ok := item.(string)
		if !ok {
			return ps.at([]string{"entry"}, `"entry" must hold strings, not %s`, kindOf(item)).
				WithHint(`write entry = ["src/**/*.ts"]`)
		}
		if reason := checkGlob(glob); reason != "" {
			return ps.at([]string{"entry"}, "entry %q %s", glob, reason).
				WithHint(`globs are relative to the project, with "/" between folders: "src/**/*.ts"`)
		}
		p.Entry = append(p.Entry, glob)
	}
	return nil
}

func (ps parser) units(top map[string]any, p *Project) error {
	v, ok := top["units"]
	if !ok {
		return nil
	}
	tables, ok := v.(map[string]any)
	if !ok {
		return ps.at([]string{"units"}, `"units" must be tables`).WithHint(`write [units."orders.get"] and the options under it`)
	}
	p.Overrides = map[string]map[string]any{}
	for _, unit := range sortedKeys(tables) {
		path := []string{"units", unit}
		options, ok := tables[unit].(map[string]any)
		if !ok || !unitForm.MatchString(unit) {
			return ps.at(path, "%q is not a table of options for a unit", unit).
				WithHint(`write [units."orders.get"] and the options under it`)
		}
		for _, key := range sortedKeys(options) {
			if nested, isTable := options[key].(map[string]any); isTable && !slices.Contains(optionKeys, key) && len(nested) > 0 {
				return ps.at(append(path, key), "%q is not an option of a unit", key).
					WithHint(`a unit with a dot in its name is quoted: [units.%q]`, unit+"."+key)
			}
			if !slices.Contains(optionKeys, key) {
				return ps.unknown(append(path, key), optionKeys)
			}
		}
		p.Overrides[unit] = options
	}
	return nil
}

// text1 reads an optional string of one line.
func (ps parser) text1(top map[string]any, key string) (string, error) {
	v, ok := top[key]
	if !ok {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", ps.at([]string{key}, "%q must be a string, not %s", key, kindOf(v)).
			WithHint(`put it in quotes: %s = "…"`, key)
	}
	return s, nil
}

func (ps parser) unknown(path, known []string) error {
	key := path[len(path)-1]
	e := ps.at(path, "unknown key %q", key)
	if near := fault.Nearest(key, known); near != "" {
		return e.WithHint("did you mean %q?", near)
	}
	return e.WithHint("known keys: %s", strings.Join(known, ", "))
}

func (ps parser) at(path []string, format string, args ...any) *fault.Error {
	line, col := locate(ps.text, path)
	return fault.New(fault.Invalid, "%s:%d:%d: %s", FileName, line, col, fmt.Sprintf(format, args...))
}

func (ps parser) wrap(key string, e *fault.Error) error {
	if e == nil {
		return nil
	}
	return ps.at([]string{key}, "%s", e.Message).WithHint("%s", e.Hint)
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64, float64:
		return "a number"
	case bool:
		return "true or false"
	case []any, []map[string]any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date"
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
