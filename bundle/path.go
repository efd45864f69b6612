package bundle

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// roots are the folders a bundle may have; sbomName is the one file beside them.
var roots = []string{"code/", "source/", "lock/", "assets/"}

const sbomName = "sbom.cdx.json"

// checkPath refuses every name that could mean two places, or a place outside.
func checkPath(name string) *fault.Error {
	switch {
	case name == "":
		return refuse("an entry has no name")
	case len(name) > MaxPath:
		return refuse("the name %.40q… is longer than %d bytes", name, MaxPath)
	case !utf8.ValidString(name):
		return refuse("the name %q is not UTF-8", name)
	case !norm.NFC.IsNormalString(name):
		return refuse("the name %q is not in Unicode form NFC", name)
	case strings.HasPrefix(name, "/"):
		return refuse("the name %q is absolute", name)
	case strings.HasSuffix(name, "/"):
		return refuse("%q is a folder; only files are packed", name)
	}
	for _, c := range name {
		if c == '\\' || c == ':' || unicode.IsControl(c) || c == utf8.RuneError {
			return refuse("the name %q has the character %q", name, c)
		}
	}
	for _, seg := range strings.Split(name, "/") {
		if seg == "" || seg == "." || seg == ".." {
			return refuse("the name %q leaves its place: segment %q", name, seg)
		}
	}
	return checkRoot(name)
}

func checkRoot(name string) *fault.Error {
	if name == ManifestName || name == sbomName {
		return nil
	}
	if strings.HasPrefix(name, signatureFolder) {
		_, err := signatureID(name)
		return err
	}
	for _, r := range roots {
		if strings.HasPrefix(name, r) {
			return nil
		}
	}
	return refuse("%q lies outside %s", name, strings.Join(roots, " "))
}

// names finds two entries that would be one file on some disk.
type names struct {
	files   map[string]string // by folded name
	folders map[string]string
}

func newNames() *names { return &names{files: map[string]string{}, folders: map[string]string{}} }

func (n *names) add(name string) *fault.Error {
	f := fold(name)
	if first, ok := n.files[f]; ok {
		if first == name {
			return refuse("%q stands twice", name)
		}
		return refuse("%q and %q differ only in case", first, name)
	}
	if first, ok := n.folders[f]; ok {
		return refuse("%q is a file and the folder of %q", name, first)
	}
	n.files[f] = name
	for i, c := range f {
		if c != '/' {
			continue
		}
		if first, ok := n.files[f[:i]]; ok {
			return refuse("%q is a file and the folder of %q", first, name)
		}
		n.folders[f[:i]] = name
	}
	return nil
}

// fold brings names together that a case-insensitive disk takes for one.
func fold(s string) string { return norm.NFC.String(strings.ToLower(strings.ToUpper(s))) }
