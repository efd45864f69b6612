//go:build eyes

package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestOutsideEyes has other people's tools look for a way out, from inside a
// container of each profile. ARIA_EYES is the folder of their binaries: cdk and
// amicontained. It is built and run by `make outside-eyes` alone.
func TestOutsideEyes(t *testing.T) {
	dir := os.Getenv("ARIA_EYES")
	tools := []struct {
		name string
		argv []string
	}{{"amicontained", []string{"/bin/amicontained"}}, {"cdk", []string{"/bin/cdk", "evaluate", "--full"}}}
	for _, tool := range tools {
		eyes = append(eyes, filepath.Join(dir, tool.name))
	}
	c := sharedClient(t)
	looked, found := 0, 0
	for _, net := range []bool{false, true} {
		for _, tool := range tools {
			profile := map[bool]string{false: "default", true: "net"}[net]
			k, err := startPlan(t, c, Spec{ID: tool.name + "-" + profile, Argv: tool.argv, Net: net, Pids: 64})
			if err != nil {
				t.Fatal(err)
			}
			out := end(t, k)
			text := out.stdout + out.stderr
			if out.exit.Code != 0 && tool.name == "amicontained" || len(text) < 200 {
				t.Errorf("%s in %s did not look: code %d\n%s", tool.name, profile, out.exit.Code, text)
			}
			looked++
			for _, line := range findings(tool.name, text) {
				found++
				t.Errorf("%s in %s: %s", tool.name, profile, line)
			}
			t.Logf("%s in %s:\n%s", tool.name, profile, text)
		}
	}
	lastLine = fmt.Sprintf("outside-eyes: %d looks, %d findings", looked, found)
}

// bad are lines by which a tool says that it has found something.
var bad = map[string]*regexp.Regexp{
	"amicontained": regexp.MustCompile(`(?i)(seccomp:\s*(disabled|unconfined)|user namespaces:\s*\n?\s*false|BOUNDING -> \S|looks like /var/run/docker.sock)`),
	"cdk":          regexp.MustCompile(`(?i)(critical - |possible privileged|escape|found \S*docker\.sock|sensitive (file|env).*found|cap_\w+ enabled|device mounted|api-server|k8s-anonymous|metadata api available|is exploitable|dangerous)`),
}

// silent are lines of cdk that match and say that nothing is there.
var silent = regexp.MustCompile(`(?i)(no |not |failed|error|cannot|can't|information gathering|forbids|checking if|\[\s*\]|refer)`)

func findings(tool, text string) (out []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if bad[tool].MatchString(line) && !silent.MatchString(line) {
			out = append(out, line)
		}
	}
	return out
}

func startPlan(t *testing.T, c *Client, s Spec) (*Container, error) {
	t.Helper()
	plan, err := NewPlan(s, c.Hello())
	if err != nil {
		return nil, err
	}
	return c.Start(t.Context(), plan)
}
