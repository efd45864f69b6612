package project

import (
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// FuzzParse: whatever aria.toml holds, it is a project or one fault that says
// invalid, with a place.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		good, good + "entry = [\"src/**/*.ts\"]\n", good + "[units.\"orders.get\"]\ntimeout = \"5s\"\nbudget = { usd = 0.5 }\n",
		"name = 3\n", "[[units]]\n", "name = \"a/b\"\nversion = \"1.0.0-rc.1+x\"\n", "units.\"a.b\".retries = 1\n" + good, "\xff\x00=",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err == nil {
			if CheckName(p.Name) != nil || !versionForm.MatchString(p.Version) {
				t.Errorf("accepted name %q, version %q", p.Name, p.Version)
			}
			return
		}
		if e, ok := fault.As(err); !ok || e.Code != fault.Invalid || e.Message == "" {
			t.Errorf("%v is no fault that says invalid", err)
		}
	})
}
