package project

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

const good = "name = \"orders\"\nversion = \"0.1.0\"\n"

func TestParse(t *testing.T) {
	got, err := Parse(good + `description = "d"
entry = ["src/**/*.ts", "extra.ts"]
[units."orders.get"]
timeout = "5s"
budget = { usd = 0.5 }
`)
	if err != nil {
		t.Fatal(err)
	}
	want := &Project{
		Name: "orders", Version: "0.1.0", Description: "d", Entry: []string{"src/**/*.ts", "extra.ts"},
		Overrides: map[string]map[string]any{"orders.get": {"timeout": "5s", "budget": map[string]any{"usd": 0.5}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ shows, text, message, hint string }{
		{"not TOML", "name = \"x\"\nversion 1\n", "aria.toml:2:9: ", "key = "},
		{"a key twice", good + "name = \"b\"\n", "aria.toml:3:", ""},
		{"no name", "version = \"0.1.0\"\n", `"name" is missing`, `name = "orders"`},
		{"no version", "name = \"x\"\n", `"version" is missing`, `version = "0.1.0"`},
		{"a typo in a key", "nmae = \"x\"\n" + good, `aria.toml:1:1: unknown key "nmae"`, `did you mean "name"?`},
		{"a key like none", good + "zzzzzzzz = 1\n", `aria.toml:3:1: unknown key "zzzzzzzz"`, "known keys: name"},
		{"upper case", "name = \"Orders\"\nversion = \"0.1.0\"", `aria.toml:1:1: "Orders" is not a project name`, "lower-case"},
		{"two slashes", "name = \"a/b/c\"\nversion = \"0.1.0\"", `"a/b/c" is not a project name`, "acme/orders"},
		{"a path as name", "name = \"../x\"\nversion = \"0.1.0\"", `"../x" is not a project name`, ""},
		{"name of another type", "name = 3\nversion = \"0.1.0\"", `aria.toml:1:1: "name" must be a string, not a number`, "quotes"},
		{"version of two numbers", "name = \"x\"\n  version = \"1.0\"", `aria.toml:2:3: "1.0" is not a semantic version`, "0.1.0"},
		{"version with a path", "name = \"x\"\nversion = \"1.0.0/../x\"", "is not a semantic version", ""},
		{"entry as a string", good + "entry = \"src/*.ts\"", `aria.toml:3:1: "entry" must be a list`, "src/**/*.ts"},
		{"entry of numbers", good + "entry = [1]", `must hold strings, not a number`, ""},
		{"entry that leaves", good + "entry = [\"../x.ts\"]", `entry "../x.ts" leaves the project`, ""},
		{"absolute entry", good + "entry = [\"/x.ts\"]", "is not a relative path", ""},
		{"broken glob", good + "entry = [\"src/[.ts\"]", "is not a well-formed glob", ""},
		{"entry of another kind", good + "entry = [\"src/x.json\"]", "names no .ts file", ""},
		{"typo in an option", good + "[units.\"orders.get\"]\nretires = 3\n", `aria.toml:4:1: unknown key "retires"`, `did you mean "retries"?`},
		{"unit name without quotes", good + "[units.orders.get]\nretries = 3\n", `aria.toml:3:1: "get" is not an option of a unit`, `[units."orders.get"]`},
		{"allow as a value", good + "allow = 3", `"allow" must be a table, not a number`, "imports = "},
		{"a typo in allow", good + "[allow]\nimport = []\n", `aria.toml:4:1: unknown key "import"`, `did you mean "imports"?`},
		{"imports as a word", good + "[allow]\nimports = \"node:vm\"\n", `aria.toml:4:1: "imports" must be a list of modules`, ""},
		{"a number in imports", good + "[allow]\nimports = [1]\n", `aria.toml:4:1: "imports" must hold strings, not a number`, ""},
		{"a module by its short name", good + "[allow]\nimports = [\"vm\"]\n", `aria.toml:4:1: "vm" is not a module of the platform`, "node:child_process"},
		{"units as a value", good + "units = 3", `"units" must be tables`, ""},
	} {
		t.Run(c.shows, func(t *testing.T) {
			_, err := Parse(c.text)
			f, ok := fault.As(err)
			if !ok || f.Code != fault.Invalid {
				t.Fatalf("got %v, want a fault that says invalid", err)
			}
			if !strings.Contains(f.Message, c.message) {
				t.Errorf("message %q does not hold %q", f.Message, c.message)
			}
			if !strings.Contains(f.Hint, c.hint) {
				t.Errorf("hint %q does not hold %q", f.Hint, c.hint)
			}
		})
	}
}

func write(t *testing.T, dir string, files ...string) {
	t.Helper()
	for _, f := range files {
		if err := writeNew(filepath.Join(dir, f), good); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFiles(t *testing.T) {
	clutter := []string{"node_modules/a/x.ts", ".arc/types/x.ts", "dist/x.ts", "src/x.d.ts", "src/x.test.ts", "src/note.md"}
	for _, c := range []struct {
		shows        string
		have, entry  []string
		want         []string
		wantMessages string
	}{
		{"src by default, sorted as paths", []string{"src/b.ts", "src/b/a.ts", "src/a.ts", "root.ts"}, nil, []string{"src/a.ts", "src/b.ts", "src/b/a.ts"}, ""},
		{"the root without src", []string{"b.ts", "lib/a.ts"}, nil, []string{"b.ts", "lib/a.ts"}, ""},
		{"globs", []string{"src/a.ts", "tools/x/b.ts"}, []string{"tools/**/*.ts"}, []string{"tools/x/b.ts"}, ""},
		{"two stars match no folder too", []string{"tools/b.ts"}, []string{"tools/**/b.ts"}, []string{"tools/b.ts"}, ""},
		{"a file under two globs counts once", []string{"a.ts"}, []string{"a.ts", "*.ts"}, []string{"a.ts"}, ""},
		{"a glob without a file", []string{"a.ts"}, []string{"a.ts", "b.ts"}, nil, `entry "b.ts" matches no file`},
		{"nothing at all", nil, nil, nil, "no TypeScript file in"},
	} {
		t.Run(c.shows, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, c.have...)
			for _, f := range clutter {
				if !strings.HasPrefix(f, "src/") || len(c.have) > 0 && strings.HasPrefix(c.have[0], "src/") {
					write(t, dir, f)
				}
			}
			p := &Project{Dir: dir, Entry: c.entry}
			got, err := p.Files()
			if c.wantMessages != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantMessages) {
					t.Fatalf("got %v, %v, want an error with %q", got, err, c.wantMessages)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoadFindsUpward(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "aria.toml", "src/deep/x.ts")
	p, err := Load(filepath.Join(dir, "src", "deep"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := filepath.EvalSymlinks(p.Dir); got != want {
		t.Errorf("root is %s, want %s", got, want)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "file")
	for at, message := range map[string]string{
		dir:                        "no aria.toml in",
		filepath.Join(dir, "gone"): "does not exist",
		filepath.Join(dir, "file"): "is a file, not a project folder",
	} {
		_, err := Load(at)
		if f, ok := fault.As(err); !ok || !strings.Contains(f.Message, message) || f.Hint == "" {
			t.Errorf("Load(%s): got %v, want %q with a hint", at, err, message)
		}
	}
}

func TestCreate(t *testing.T) {
	parent := t.TempDir()
	made, err := Create(parent, "acme/first", Templates[0])
	if err != nil {
		t.Fatal(err)
	}
	p, err := Load(made.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "acme/first" {
		t.Errorf("name is %q", p.Name)
	}
	files, err := p.Files()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"src/hello.ts"}, files); diff != "" {
		t.Error(diff)
	}
	for _, f := range made.Files {
		text, err := os.ReadFile(filepath.Join(made.Dir, f))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "__NAME__") || strings.Contains(string(text), "__SPACE__") {
			t.Errorf("%s holds an unfilled blank", f)
		}
	}
	if _, err := Create(parent, "first", Templates[0]); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a second Create in the same folder: got %v, want a refusal", err)
	}
	if _, err := Create(parent, "../up", Templates[0]); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a name that is a path: got %v, want invalid", err)
	}
}

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{
		"nmae": "name", "verison": "version", "desc": "", "entires": "entry", "unit": "units", "qqqq": "",
	} {
		if got := fault.Nearest(word, topKeys); got != want {
			t.Errorf("fault.Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
