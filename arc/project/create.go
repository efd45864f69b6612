package project

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

//go:embed template
var template embed.FS

// typesDir is where editors and "bun test" find @aria/sdk, through the paths
// of tsconfig.json: a .d.ts for the one, the .js beside it for the other.
const typesDir = ".arc/types"

// Created says what Create made.
type Created struct {
	Dir   string   // as given, with the name's last part
	Files []string // slash-separated, relative to Dir, sorted
}

// Templates are the kinds of project that Create makes, the default first, with
// what can be typed to run one.
var Templates = []Template{
	{"full", "a toolbox and an agent that uses it", []string{`arc run hello.greet --input '{"name":"Ada"}'`, `arc task greeter 'greet "Ada"'`}},
	{"tool", "a toolbox over a kv namespace", []string{`arc run orders.add --input '{"id":"A1","total":500}'`}},
	{"agent", "an agent with tools of its own", []string{`arc run notes.keep --input '{"title":"milk","text":"two litres"}'`, `arc task clerk 'which notes are there?'`}},
	{"team", "two agents, one after the other", []string{`arc task desk 'what does tea cost?'`}},
	{"pipeline", "steps over tools, with a schedule", []string{`arc run report --input '{"currency":"EUR"}'`}},
}

// Template is one of Templates.
type Template struct {
	Name  string
	About string
	Try   []string // commands
}

// FindTemplate finds one by name; "" is the default.
func FindTemplate(name string) (Template, error) {
	var names []string
	for _, t := range Templates {
		if t.Name == name || name == "" {
			return t, nil
		}
		names = append(names, t.Name)
	}
	e := fault.New(fault.Invalid, "there is no template %q", name)
	if near := fault.Nearest(name, names); near != "" {
		return Template{}, e.WithHint("did you mean %q?", near)
	}
	return Template{}, e.WithHint("templates are %s", strings.Join(names, ", "))
}

// Create makes a project called name of a template in a folder of parent named
// after the last part of name. A folder that holds anything is refused: nothing of the
// user's is ever overwritten.
func Create(parent, name string, kind Template) (*Created, error) {
	if e := CheckName(name); e != nil {
		return nil, e
	}
	base := path.Base(name)
	dir := filepath.Join(parent, base)
	if err := checkEmpty(dir); err != nil {
		return nil, err
	}
	files, err := newFiles(name, base, kind)
	if err != nil {
		return nil, err
	}
	made := &Created{Dir: dir}
	for at := range files {
		made.Files = append(made.Files, at)
	}
	slices.Sort(made.Files)
	for _, at := range made.Files {
		if err := writeNew(filepath.Join(dir, filepath.FromSlash(at)), files[at]); err != nil {
			return nil, err
		}
	}
	return made, nil
}

func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fault.Wrap(err, fault.Invalid, "%q exists and is not an empty folder", dir).
			WithHint("choose another name")
	case len(entries) > 0:
		return fault.New(fault.Invalid, "folder %q is not empty", dir).
			WithHint("choose another name, or move what is in it away")
	}
	return nil
}

// newFiles are the files of a new project by path.
func newFiles(name, base string, kind Template) (map[string]string, error) {
	files := map[string]string{}
	for name, text := range types() {
		files[typesDir+"/"+name] = text
	}
	var run []string
	for _, t := range kind.Try {
		run = append(run, "`"+t+"`")
	}
	fill := strings.NewReplacer("__NAME__", name, "__SPACE__", base, "__RUN__", strings.Join(run, " or\n"))
	for _, part := range []string{"template/base/", "template/" + kind.Name + "/"} {
		err := fs.WalkDir(template, strings.TrimSuffix(part, "/"), func(at string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := template.ReadFile(at)
			if err != nil {
				return err
			}
			to := strings.TrimPrefix(at, part)
			switch {
			case to == "gitignore": // go:embed and git both look at the real name
				to = ".gitignore"
			case strings.HasPrefix(to, "types/"):
				to = typesDir + strings.TrimPrefix(to, "types")
			}
			files[to] = fill.Replace(string(text))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

func writeNew(path, text string) error {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "%s cannot be written", path).
			WithHint("check that the folder is yours to write and that the disk has room")
	}
	return nil
}
