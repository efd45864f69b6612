package diag

import (
	"encoding/json"
	"io"
	"slices"
)

// sarifLog is SARIF 2.1.0 (OASIS), as much of it as a compiler's complaints need.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool    sarifTool      `json:"tool"`
	Bases   map[string]any `json:"originalUriBaseIds"`
	Columns string         `json:"columnKind"`
	Results []sarifResult  `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID string `json:"id"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	Rule      string          `json:"ruleId"`
	Index     int             `json:"ruleIndex"`
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations,omitempty"`
	Related   []sarifLocation `json:"relatedLocations,omitempty"`
}

type sarifLocation struct {
	ID       int           `json:"id,omitempty"`
	Physical sarifPhysical `json:"physicalLocation"`
	Message  *sarifText    `json:"message,omitempty"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI  string `json:"uri"`
	Base string `json:"uriBaseId"`
}

type sarifRegion struct {
	Line    int        `json:"startLine"`
	Col     int        `json:"startColumn,omitempty"`
	EndCol  int        `json:"endColumn,omitempty"`
	Snippet *sarifText `json:"snippet,omitempty"`
}

const sarifBase = "PROJECT"

// SARIF writes messages for tools that show the complaints of many others: code
// hosts, editors. version is arc's. Files are relative to the project.
func SARIF(w io.Writer, msgs []Message, version string) error {
	run := sarifRun{
		Tool:    sarifTool{sarifDriver{Name: "arc", Version: version, Rules: []sarifRule{}}},
		Bases:   map[string]any{sarifBase: map[string]any{"description": sarifText{"the folder of aria.toml"}}},
		Columns: "unicodeCodePoints", Results: []sarifResult{},
	}
	rules := &run.Tool.Driver.Rules
	for _, m := range msgs {
		i := slices.Index(*rules, sarifRule{m.Code})
		if i < 0 {
			i = len(*rules)
			*rules = append(*rules, sarifRule{m.Code})
		}
		r := sarifResult{Rule: m.Code, Index: i, Level: string(m.Severity), Message: sarifText{m.Text}}
		if m.Hint != "" {
			r.Message.Text += "\nhint: " + m.Hint
		}
		if m.Place.File != "" {
			r.Locations = []sarifLocation{{Physical: physical(m.Place, m.LineText)}}
		}
		for n, note := range m.Notes {
			if note.Place.File != "" {
				r.Related = append(r.Related, sarifLocation{ID: n + 1, Physical: physical(note.Place, note.LineText), Message: &sarifText{note.Text}})
			}
		}
		run.Results = append(run.Results, r)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

func physical(p Place, text string) sarifPhysical {
	out := sarifPhysical{Artifact: sarifArtifact{p.File, sarifBase}}
	if p.Line == 0 {
		return out
	}
	out.Region = &sarifRegion{Line: p.Line, Col: p.Col}
	if p.Length > 0 {
		out.Region.EndCol = p.Col + p.Length
	}
	if text != "" {
		out.Region.Snippet = &sarifText{text}
	}
	return out
}
