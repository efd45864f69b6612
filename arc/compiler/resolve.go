package compiler

import (
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/sdk"
)

// restricted are modules of the platform that unit code has no business with:
// they start processes, load machine code or leave the module system. The sandbox
// stops most of what they do; the author should hear it at build time. A package
// may name one and never use it, so a project can declare that it wants it.
var restricted = []string{
	"bun:ffi", "bun:jsc", "node:child_process", "node:cluster", "node:inspector",
	"node:inspector/promises", "node:vm", "node:wasi", "node:worker_threads",
}

// nodeModules are the platform's modules that may be named without "node:".
var nodeModules = strings.Fields(`assert async_hooks buffer child_process cluster console constants crypto
	diagnostics_channel dns domain events fs http http2 https inspector module net os path perf_hooks process
	punycode querystring readline repl stream string_decoder timers tls tty url util v8 vm wasi worker_threads zlib`)

// refusal is our own code and hint on a message of the bundler's.
type refusal struct{ code, hint string }

const sdkSpace = "aria-sdk"

// resolver brings the SDK in from memory, keeps the platform's modules outside
// and follows tsconfig's paths.
func resolver(in *input) api.Plugin {
	return api.Plugin{Name: "aria", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `^@aria/sdk($|/)`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			if a.Path != sdkModule {
				return refuse("ARC4003", "import it in *.test.ts files only", "%s is not there when a unit runs", a.Path), nil
			}
			return api.OnResolveResult{Path: "index.js", Namespace: sdkSpace, SideEffects: api.SideEffectsFalse}, nil
		})
		b.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: sdkSpace}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
			text := sdk.Runtime()
			return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
		})
		b.OnResolve(api.OnResolveOptions{Filter: `^(node:|bun:|bun$)`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			return platform(in, a.Path), nil
		})
		b.OnResolve(api.OnResolveOptions{Filter: `^[a-z0-9_]+(/[a-z_]+)?$`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			name, _, _ := strings.Cut(a.Path, "/")
			if !slices.Contains(nodeModules, name) || a.Kind == api.ResolveEntryPoint {
				return api.OnResolveResult{}, nil
			}
			// A package of that name, if installed, comes first for people but not
			// for the platform: Node's own always wins.
			return platform(in, "node:"+a.Path), nil
		})
		b.OnResolve(api.OnResolveOptions{Filter: `\.node$`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			return refuse("ARC4006", "machine code cannot be loaded in a container; many packages have a build in JavaScript or WebAssembly",
				"%s is a native module", a.Path), nil
		})
		for _, pattern := range sortedKeys(in.paths) {
			if pattern != sdkModule {
				mapPath(b, in, pattern, in.paths[pattern])
			}
		}
	}}
}

// needless complains about a declaration that gives nothing: it would stand for a
// permission that nobody asked for.
func needless(allow []string) []diag.Message {
	var out []diag.Message
	for _, name := range allow {
		if !slices.Contains(restricted, name) {
			out = append(out, diag.Message{Severity: diag.Error, Code: "ARC1044", Place: diag.Place{File: "aria.toml"},
				Text: name + " needs no declaration", Hint: "take it out of [allow] imports, which is for: " + strings.Join(restricted, ", ")})
		}
	}
	return out
}

func platform(in *input, name string) api.OnResolveResult {
	if slices.Contains(restricted, name) && !slices.Contains(in.Allow, name) {
		return refuse("ARC4002", "a unit runs alone in its container; use a tool, an agent or a pipeline step instead, "+
			"or declare it in aria.toml if a package only names it: [allow] imports = [\""+name+"\"]",
			"%s cannot be used in a unit", name)
	}
	return api.OnResolveResult{Path: name, External: true}
}

func refuse(code, hint, format, name string) api.OnResolveResult {
	return api.OnResolveResult{Errors: []api.Message{{
		Text: strings.Replace(format, "%s", name, 1), Detail: refusal{code, hint},
	}}}
}

// mapPath follows one entry of tsconfig's paths: the first target that exists.
func mapPath(b api.PluginBuild, in *input, pattern string, targets []string) {
	before, after, star := strings.Cut(pattern, "*")
	b.OnResolve(api.OnResolveOptions{Filter: "^" + regexp.QuoteMeta(before)}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		middle := strings.TrimSuffix(strings.TrimPrefix(a.Path, before), after)
		if !star && a.Path != pattern || !strings.HasSuffix(a.Path, after) || a.Kind == api.ResolveEntryPoint {
			return api.OnResolveResult{}, nil
		}
		for _, t := range targets {
			to := "./" + strings.TrimPrefix(strings.Replace(t, "*", middle, 1), "./")
			r := b.Resolve(to, api.ResolveOptions{ResolveDir: in.Dir, Kind: a.Kind})
			if len(r.Errors) == 0 {
				return api.OnResolveResult{Path: r.Path, External: r.External, Namespace: r.Namespace}, nil
			}
		}
		return api.OnResolveResult{}, nil
	})
}
