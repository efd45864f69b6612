package compiler

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/microsoft/typescript-go/arctsc"

	"github.com/ariacomputecompany/firmware/sdk"
)

// The SDK's own source has no type error, and sdk/src/types.check.ts says what
// its types allow and refuse: a line that should be refused and is not leaves a
// @ts-expect-error without use, which is an error.
func TestTypesOfTheSDK(t *testing.T) {
	root, err := filepath.Abs("../../sdk")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range sdkProblems(t, root) {
		t.Errorf("%s:%d:%d: %s %s", p.At.File, p.At.Line, p.At.Col, p.Code, p.Text)
	}
}

// The test above would see a type that allows too much and one that allows too little.
func TestTypesOfTheSDKAreChecked(t *testing.T) {
	expect := []byte("// @ts-expect-error a tool is async")
	for name, c := range map[string]struct {
		change func(source []byte) []byte
		code   string
	}{
		"too much": {func(s []byte) []byte {
			return append(s, "\n// @ts-expect-error nothing is wrong\nexport const fine = 1;\n"...)
		}, "TS2578"},
		"too little": {func(s []byte) []byte { return bytes.Replace(s, expect, []byte("//"), 1) }, "TS1241"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("../../sdk")); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "src/types.check.ts")
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.change(source), 0o600); err != nil {
				t.Fatal(err)
			}
			got := sdkProblems(t, dir)
			if len(got) != 1 || got[0].Code != c.code {
				t.Errorf("want one %s, got %+v", c.code, got)
			}
		})
	}
}

func sdkProblems(t *testing.T, root string) []arctsc.Problem {
	t.Helper()
	in := arctsc.Input{Dir: root, SDK: sdkModule, Types: sdk.Types(), Ambient: sdk.Ambient(), Handles: handles}
	for _, f := range []string{"dist/index.d.ts", "dist/testing.d.ts", "src/engine.d.ts", "src/index.ts", "src/testing.ts", "src/harness/main.ts", "src/types.check.ts"} {
		in.Files = append(in.Files, root+"/"+f)
	}
	return arctsc.Analyze(t.Context(), in).Problems
}
