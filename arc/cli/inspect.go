package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/trust"
)

type inspectResult struct {
	Path     string           `json:"path"`
	Digest   bundle.Digest    `json:"digest"`
	Size     int              `json:"size"` // bytes
	Manifest *bundle.Manifest `json:"manifest"`
	// Signatures are judged by the trust file, as by arc verify.
	Signatures []trust.Signature `json:"signatures"`
}

// maxBundle is a little above what any reader of bundles takes.
const maxBundle = 65 << 20

func (a *app) inspectCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "inspect FILE",
		Short:   "Show what is in a bundle and what it may do",
		Long:    wordsInspectLong,
		GroupID: groupAuthor,
		Args:    want(1, 1, "the path of a .aria file"),
		RunE: func(_ *cobra.Command, args []string) error {
			data, b, err := openBundle(args[0])
			if err != nil {
				return err
			}
			t, known, err := a.trusted("", nil)
			if err != nil {
				return err
			}
			v := t.Judge(b, known...)
			return a.result(inspectResult{args[0], b.Digest, len(data), b.Manifest, v.Signatures}, func(w io.Writer) {
				writeManifest(w, b.Manifest, b.Digest, len(data))
				writeSignatures(w, v)
			})
		},
	}
}

// openBundle reads and verifies a .aria file.
func openBundle(path string) ([]byte, *bundle.Bundle, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fault.New(fault.NotFound, "file %q does not exist", path).WithHint(hintBuildFirst)
	case err != nil:
		return nil, nil, fault.Wrap(err, fault.Invalid, "file %q cannot be read: %s", path, reason(err))
	case info.IsDir():
		return nil, nil, fault.New(fault.Invalid, "%q is a folder, not a bundle", path).WithHint(hintBuildFirst)
	case !info.Mode().IsRegular():
		return nil, nil, fault.New(fault.Invalid, "%q is not a regular file", path).WithHint(hintBuildFirst)
	case info.Size() > maxBundle:
		return nil, nil, asBuild(fault.New(fault.Invalid, "%q is %s, more than a bundle may be", path, bytesText(info.Size())))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fault.Wrap(err, fault.Invalid, "file %q cannot be read: %s", path, reason(err))
	}
	b, err := bundle.Open(data)
	if err != nil {
		if f, ok := fault.As(err); ok {
			return nil, nil, asBuild(fault.Wrap(err, f.Code, "%s: %s", path, f.Message).WithHint("%s", f.Hint))
		}
		return nil, nil, asBuild(fault.Wrap(err, fault.Invalid, "%s is not a bundle", path).WithHint(hintBuildFirst))
	}
	return data, b, nil
}

func writeManifest(w io.Writer, m *bundle.Manifest, digest bundle.Digest, size int) {
	fmt.Fprintf(w, "%s %s\n", m.Name, m.Version)
	if m.Description != "" {
		fmt.Fprintf(w, "%s\n", clean(m.Description))
	}
	fmt.Fprintf(w, "%s, %s\nbuilt by arc %s, TypeScript %s, esbuild %s\n",
		digest, bytesText(int64(size)), clean(m.Builder.Arc), clean(m.Builder.TypeScript), clean(m.Builder.Esbuild))
	writeUnits(w, m)
	writePermissions(w, m)
	writeCalls(w, m)
	if len(m.Dependencies) > 0 {
		fmt.Fprintln(w, "dependencies:")
		for _, d := range m.Dependencies {
			fmt.Fprintf(w, "  %s %s %s\n", clean(d.Name), clean(d.Version), clean(d.License))
		}
	}
	fmt.Fprintln(w, "files:")
	paths := make([]string, 0, len(m.Files))
	for p := range m.Files {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range paths {
		fmt.Fprintf(tw, "  %s\t%s\tsha256:%s\n", clean(p), bytesText(m.Files[p].Size), m.Files[p].Sha256)
	}
	tw.Flush()
}

// writeCalls lists the units of other bundles that it may call, and the version
// that was locked when it was built.
func writeCalls(w io.Writer, m *bundle.Manifest) {
	refs := m.References()
	if len(refs) == 0 {
		return
	}
	fmt.Fprintln(w, "calls:")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range refs {
		with := "nothing locked"
		if p, ok := m.Pin(r.String()); ok {
			with = "built with " + p.Version
		}
		fmt.Fprintf(tw, "  %s\t%s\n", clean(r.String()), with)
	}
	tw.Flush()
}

func writeUnits(w io.Writer, m *bundle.Manifest) {
	fmt.Fprintln(w, "units:")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, u := range m.Units {
		fmt.Fprintf(tw, "  %s\t%s\t%s\n", u.Name, u.Kind, clean(firstLine(u.Description)))
	}
	tw.Flush()
	writeStarts(w, m)
	writeReflected(w, m)
}

// writeStarts says what starts units without anybody asking.
func writeStarts(w io.Writer, m *bundle.Manifest) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	some := false
	for i := range m.Units {
		t, ok := m.Units[i].Triggers()
		if !ok {
			continue
		}
		if !some {
			fmt.Fprintln(w, "started by:")
			some = true
		}
		one := remote.Trigger{On: t.On, EveryMS: t.EveryMS, Cron: t.Cron, Zone: t.Zone, HTTP: t.HTTP}
		fmt.Fprintf(tw, "  %s\t%s\n", m.Units[i].Name, clean(triggerBy(one)))
	}
	tw.Flush()
}

// writeReflected says which schemas were not derived from types.
func writeReflected(w io.Writer, m *bundle.Manifest) {
	var lines []string
	for _, u := range m.Units {
		if u.Reflected == nil {
			continue
		}
		for _, s := range []struct {
			side string
			from *bundle.SchemaValue
		}{{"input", u.Reflected.Input}, {"output", u.Reflected.Output}} {
			if s.from == nil {
				continue
			}
			lines = append(lines, fmt.Sprintf("  %s\t%s\t%s value, written by its converter %q\t%s:%d:%d\n",
				u.Name, s.side, clean(s.from.Vendor), clean(s.from.Converter), clean(s.from.Place.File), s.from.Place.Line, s.from.Place.Col))
		}
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "schemas read from values, by running the code in Bun %s:\n", clean(m.Builder.Bun))
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		fmt.Fprint(tw, l)
	}
	tw.Flush()
}

// writePermissions lists every permission with the places that ask for it.
func writePermissions(w io.Writer, m *bundle.Manifest) {
	p := m.Permissions
	if len(p.Tokens) == 0 && len(p.Imports) == 0 {
		fmt.Fprintln(w, "permissions: none")
		return
	}
	fmt.Fprintln(w, "permissions:")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, t := range p.Tokens {
		places := make([]string, len(t.Where))
		for i, at := range t.Where {
			places[i] = fmt.Sprintf("%s:%d:%d", clean(at.File), at.Line, at.Col)
		}
		fmt.Fprintf(tw, "  %s\t%s\n", clean(t.Token), strings.Join(places, ", "))
	}
	for _, i := range p.Imports {
		fmt.Fprintf(tw, "  import %s\t\n", clean(i))
	}
	tw.Flush()
}
