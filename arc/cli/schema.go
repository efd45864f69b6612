package cli

import (
	"encoding/json"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/keys"
	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/arc/share"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// results has a value of what every command gives with --json, by the command's
// words. A test sees to it that none is missing.
func results() map[string]any {
	return map[string]any{
		"new": newResult{}, "build": buildResult{}, "check": buildResult{}, "dev": devEvent{}, "test": testResult{},
		"inspect": inspectResult{Manifest: &bundle.Manifest{}}, "verify": verifyResult{}, "sign": signedResult{}, "diff": diffResult{},
		"key new": keys.Key{}, "key show": keys.Key{}, "key list": keyList{}, "trust": trustResult{},
		"upload": uploadResult{}, "rm": rmResult{}, "run": remote.Run{}, "task": remote.Run{}, "chat": remote.Run{}, "cancel": remote.Run{},
		"logs": remote.Event{}, "ls": unitList{}, "ls bundles": bundleList{}, "ls runs": runList{}, "tokens": remote.Tokens{}, "why": remote.Why{}, "policy check": policyChecked{},
		"secret set": remote.Secret{}, "secret ls": secretList{}, "secret rm": removedSecret{},
		"replay": remote.Replay{}, "tail": remote.TailEvent{}, "cost": costList{}, "resume": remote.Run{}, "drain": remote.Drained{}, "backup": backupResult{}, "restore": restoreResult{},
		"triggers": triggerList{}, "triggers pause": remote.Trigger{}, "triggers resume": remote.Trigger{}, "emit": remote.Emitted{},
		"ps": openList{}, "approve": remote.Run{}, "graph": stepGraph{}, "models": remote.Models{},
		"publish": share.Published{}, "install": installResult{}, "outdated": outdatedResult{}, "yank": share.Taken{},
		"info": remote.Info{}, "doctor": doctorResult{}, "man": manResult{}, "version": versionResult{}, "firmware status": remote.Firmware{},
		"help exit-codes": exitList{}, "error": problem{}, "progress": progressLine{}, "message": rawMessage{},
	}
}

func (a *app) helpJSONCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "json [COMMAND...]",
		Short: "The JSON Schema of what a command prints with --json",
		Args:  want(0, 2, ""),
		RunE: func(_ *cobra.Command, args []string) error {
			all := results()
			var names []string
			for n := range all {
				names = append(names, n)
			}
			slices.Sort(names)
			if len(args) == 0 {
				out := map[string]any{}
				for _, n := range names {
					out[n] = schemaOf(all[n])
				}
				return writeIndented(a.out, out)
			}
			word := strings.Join(args, " ")
			v, ok := all[word]
			if !ok {
				e := fault.New(fault.NotFound, "there is no schema for %q", word)
				if near := fault.Nearest(word, names); near != "" {
					return e.WithHint("did you mean %q?", near)
				}
				return e.WithHint("there is one for %s", strings.Join(names, ", "))
			}
			return writeIndented(a.out, schemaOf(v))
		},
	}
}

func writeIndented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return unwritten(err)
	}
	return nil
}

// schemaOf is JSON Schema 2020-12 of what encoding/json makes of v.
func schemaOf(v any) map[string]any {
	defs := map[string]any{}
	out := typeSchema(reflect.TypeOf(v), defs)
	if len(defs) > 0 {
		out["$defs"] = defs
	}
	out["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	return out
}

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

func typeSchema(t reflect.Type, defs map[string]any) map[string]any {
	switch {
	case t == timeType:
		return map[string]any{"type": "string", "format": "date-time"}
	case t == rawType:
		return map[string]any{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem(), defs)
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": []string{"array", "null"}, "items": typeSchema(t.Elem(), defs)}
	case reflect.Map:
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": typeSchema(t.Elem(), defs)}
	case reflect.Struct:
		return structSchema(t, defs)
	case reflect.Interface:
		return map[string]any{}
	}
	return map[string]any{"type": "integer"}
}

// structSchema names the types that have a name, so that they stand once.
func structSchema(t reflect.Type, defs map[string]any) map[string]any {
	name := t.Name()
	if _, done := defs[name]; name != "" && done {
		return map[string]any{"$ref": "#/$defs/" + name}
	}
	props, required := map[string]any{}, []string{}
	out := map[string]any{"type": "object", "properties": props}
	if name != "" {
		defs[name] = out
	}
	fields(t, func(key string, optional bool, f reflect.Type) {
		props[key] = typeSchema(f, defs)
		if !optional {
			required = append(required, key)
		}
	})
	if len(required) > 0 {
		out["required"] = required
	}
	if name != "" {
		return map[string]any{"$ref": "#/$defs/" + name}
	}
	return out
}

func fields(t reflect.Type, visit func(key string, optional bool, f reflect.Type)) {
	for i := range t.NumField() {
		f := t.Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case key == "-" || !f.IsExported() && !f.Anonymous:
		case f.Anonymous && key == "":
			fields(f.Type, visit)
		default:
			if key == "" {
				key = f.Name
			}
			visit(key, strings.Contains(options, "omit"), f.Type)
		}
	}
}
