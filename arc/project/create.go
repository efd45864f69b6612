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
	"github.com/ariacomputecompany/firmware/sdk"
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

// Create makes a project called name in a folder of parent named after the
// last part of name. A folder that holds anything is refused: nothing of the
// user's is ever overwritten.
func Create(parent, name string) (*Created, error) {
	if e := CheckName(name); e != nil {
		return nil, e
	}
	base := path.Base(name)
	dir := filepath.Join(parent, base)
	if err := checkEmpty(dir); err != nil {
		return nil, err
	}
	files, err := newFiles(name, base)
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
func newFiles(name, base string) (map[string]string, error) {
	files := map[string]string{
		typesDir + "/sdk.d.ts":          sdk.Types(),
		typesDir + "/sdk.js":            sdk.Runtime(),
		typesDir + "/testing.d.ts":      sdk.TestingTypes(),
		typesDir + "/testing.js":        sdk.Testing(),
		typesDir + "/aria-runtime.d.ts": sdk.Ambient(),
	}
	fill := strings.NewReplacer("__NAME__", name, "__SPACE__", base)
	err := fs.WalkDir(template, "template", func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := template.ReadFile(at)
		if err != nil {
			return err
		}
		to := strings.TrimPrefix(at, "template/")
		switch {
		case to == "gitignore": // go:embed and git both look at the real name
			to = ".gitignore"
		case strings.HasPrefix(to, "types/"):
			to = typesDir + strings.TrimPrefix(to, "types")
		}
		files[to] = fill.Replace(string(text))
		return nil
	})
	return files, err
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
