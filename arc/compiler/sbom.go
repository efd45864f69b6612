package compiler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/ariacomputecompany/firmware/bundle"
)

// sbomFile is where the list of parts lies in the bundle.
const sbomFile = "sbom.cdx.json"

// bom is CycloneDX 1.6 in JSON (ECMA-424), as much of it as a bundle needs. No
// time and no serial number: the same source gives the same bytes.
type bom struct {
	Schema       string          `json:"$schema"`
	Format       string          `json:"bomFormat"`
	Spec         string          `json:"specVersion"`
	Version      int             `json:"version"`
	Metadata     bomMetadata     `json:"metadata"`
	Components   []bomComponent  `json:"components"`
	Dependencies []bomDependency `json:"dependencies"`
}

type bomMetadata struct {
	Tools     bomTools     `json:"tools"`
	Component bomComponent `json:"component"`
}

type bomTools struct {
	Components []bomComponent `json:"components"`
}

type bomComponent struct {
	Type        string       `json:"type"`
	Ref         string       `json:"bom-ref,omitempty"`
	Group       string       `json:"group,omitempty"`
	Name        string       `json:"name"`
	Version     string       `json:"version,omitempty"`
	Description string       `json:"description,omitempty"`
	Hashes      []bomHash    `json:"hashes,omitempty"`
	Licenses    []bomLicence `json:"licenses,omitempty"`
	PURL        string       `json:"purl,omitempty"`
}

type bomHash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"` // hex
}

// bomLicence has one of the two.
type bomLicence struct {
	License    *bomLicenceName `json:"license,omitempty"`
	Expression string          `json:"expression,omitempty"`
}

type bomLicenceName struct {
	ID   string `json:"id,omitempty"` // of the SPDX list
	Name string `json:"name,omitempty"`
}

type bomDependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// sbom lists what is in the bundle that m describes. Hashes are those of the
// project's lock file: they name the package as it was published.
func sbom(in *input, m *bundle.Manifest) ([]byte, error) {
	self := bomComponent{Type: "application", Ref: "aria:" + m.Name + "@" + m.Version, Version: m.Version, Description: m.Description}
	self.Group, self.Name = scoped(m.Name)
	b := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", Spec: "1.6", Version: 1,
		Metadata: bomMetadata{
			Tools: bomTools{[]bomComponent{
				{Type: "application", Name: "arc", Version: m.Builder.Arc},
				{Type: "application", Name: "typescript", Version: m.Builder.TypeScript},
				{Type: "application", Name: "esbuild", Version: m.Builder.Esbuild},
			}},
			Component: self,
		},
		Components: []bomComponent{}, Dependencies: []bomDependency{{Ref: self.Ref}},
	}
	locked := lockedHashes(in.Dir)
	for _, d := range m.Dependencies {
		c := bomComponent{Type: "library", Version: d.Version, PURL: purl(d.Name, d.Version), Licenses: licences(d.License)}
		c.Ref = c.PURL
		c.Group, c.Name = scoped(d.Name)
		if h, ok := locked[d.Name+"@"+d.Version]; ok {
			c.Hashes = []bomHash{h}
		}
		b.Components = append(b.Components, c)
		b.Dependencies[0].DependsOn = append(b.Dependencies[0].DependsOn, c.Ref)
		b.Dependencies = append(b.Dependencies, bomDependency{Ref: c.Ref})
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(b); err != nil {
		return nil, fmt.Errorf("sbom: %w", err)
	}
	return out.Bytes(), nil
}

// scoped splits "@scope/name" and "namespace/name".
func scoped(name string) (group, rest string) {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}

// purl is the package URL (ECMA-427) of an npm package; "@" is escaped in scopes.
func purl(name, version string) string {
	p := "pkg:npm/" + strings.Replace(name, "@", "%40", 1)
	if version != "" {
		p += "@" + url.PathEscape(version)
	}
	return p
}

// spdx are licence ids that packages really carry; another text stands as a
// name, because CycloneDX refuses an id that is not on the list.
var spdx = strings.Fields(`0BSD AFL-2.1 AGPL-3.0-only AGPL-3.0-or-later Apache-2.0 Artistic-2.0 BlueOak-1.0.0
	BSD-2-Clause BSD-3-Clause BSL-1.0 CC-BY-3.0 CC-BY-4.0 CC0-1.0 EPL-2.0 EUPL-1.2 GPL-2.0-only GPL-2.0-or-later
	GPL-3.0-only GPL-3.0-or-later ISC LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later MIT MIT-0
	MPL-2.0 OFL-1.1 Python-2.0 Unicode-3.0 Unlicense WTFPL Zlib`)

func licences(text string) []bomLicence {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	words := strings.Fields(strings.NewReplacer("(", " ", ")", " ").Replace(text))
	known := func(w string) bool {
		for _, id := range spdx {
			if id == w {
				return true
			}
		}
		return false
	}
	if len(words) == 1 && known(words[0]) {
		return []bomLicence{{License: &bomLicenceName{ID: words[0]}}}
	}
	for i, w := range words { // id, operator, id, …
		if i%2 == 0 && !known(w) || i%2 == 1 && w != "OR" && w != "AND" || len(words)%2 == 0 {
			return []bomLicence{{License: &bomLicenceName{Name: text}}}
		}
	}
	return []bomLicence{{Expression: text}}
}
