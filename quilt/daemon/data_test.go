package daemon

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// The SDK's conformance suite, which its host in memory passes too, inside a
// container against the real data.
func TestConformance(t *testing.T) {
	p := startPair(t, dataDir(t))
	code := bundleSuite(t)
	for _, suite := range suites(t) {
		for _, tenant := range []string{"exec", "tx"} { // each begins with empty stores
			t.Run(suite.name+"/"+tenant, func(t *testing.T) {
				var tokens []string
				for _, tok := range suite.tokens {
					tokens = append(tokens, tok+"?hold="+tenant)
				}
				got := p.must(t, &quiltv1.ExecuteRequest{
					Execution: "conform-" + suite.name, Tenant: tenant, Code: code, Tokens: tokens, Input: fmt.Appendf(nil, "[%q]", suite.name),
				})
				if got.result != "[]" {
					t.Errorf("failed: %s\nended %v", strings.ReplaceAll(got.result, `","`, "\n"), got.ended)
				}
			})
		}
	}
}

const suiteDir = "../../sdk/src/conformance/"

type suite struct {
	name   string
	tokens []string
}

// suites reads which there are and what they need from their sources.
func suites(t *testing.T) (out []suite) {
	t.Helper()
	unit, err := os.ReadFile(suiteDir + "unit.ts")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`import \* as (\w+) from`).FindAllStringSubmatch(string(unit), -1) {
		text, err := os.ReadFile(suiteDir + m[1] + ".ts")
		if err != nil {
			t.Fatal(err)
		}
		list := regexp.MustCompile(`export const tokens = \[([^\]]*)\]`).FindStringSubmatch(string(text))
		if list == nil {
			t.Fatalf("suite %s names no tokens", m[1])
		}
		s := suite{name: m[1]}
		for _, tok := range regexp.MustCompile(`'([^']+)'`).FindAllStringSubmatch(list[1], -1) {
			s.tokens = append(s.tokens, tok[1])
		}
		out = append(out, s)
	}
	return out
}

func bundleSuite(t *testing.T) *quiltv1.Code {
	t.Helper()
	r := api.Build(api.BuildOptions{
		EntryPoints: []string{suiteDir + "unit.ts"}, Bundle: true, Format: api.FormatESModule,
		Target: api.ES2022, Platform: api.PlatformNeutral, KeepNames: true, TsconfigRaw: `{}`,
	})
	for _, m := range r.Errors {
		t.Fatalf("bundle the suite: %s", m.Text)
	}
	return &quiltv1.Code{
		Files: []*quiltv1.File{{Path: "code/unit.js", Content: r.OutputFiles[0].Contents}},
		Entry: "code/unit.js", Export: "Unit", Method: "run",
	}
}
