// Package arctsc is the only place that reaches TypeScript's own compiler. It
// opens a project, type-checks it and hands back plain Go facts: the classes and
// functions that carry the SDK's marks, their constants folded, their types as
// JSON Schema, the handles they hold, and every complaint.
//
// It knows TypeScript and the shape of the SDK's marks. It does not know what a
// bundle, a token or a unit's name is, runs none of the author's code and writes
// nothing. No type of the TypeScript compiler leaves it, so that another backend
// can stand in its place.
//
// Its module path lies under github.com/microsoft/typescript-go/ because Go lets
// only such a path import that module's internal packages.
package arctsc

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/microsoft/typescript-go/internal/core"
)

// Version is the TypeScript release that is linked in.
func Version() string { return core.Version() }

// Input is one project.
type Input struct {
	Dir   string   // absolute, slashes
	Files []string // absolute entry files; what they import is found

	SDK     string // name of the SDK module, "@aria/sdk"
	Types   string // text of its index.d.ts
	Ambient string // text of the ambient declarations of the container

	Handles []string            // SDK functions whose calls are permissions: "kv"
	Paths   map[string][]string // tsconfig's paths, relative to Dir
	Strict  map[string]bool     // tsconfig's degrees of strictness; what is not named is on or off as in strict
}

// Facts is what a project says.
type Facts struct {
	Classes   []Class
	Functions []Function
	Defs      map[string]json.RawMessage
	Problems  []Problem
	Sources   []string // the author's files that were read, relative to Dir
	Took      Took
}

// Took is where the time went.
type Took struct{ Parse, Check, Extract time.Duration }

// Analyze checks the project and, if TypeScript has no complaint, extracts its
// facts. It never panics: trouble inside the compiler becomes a problem that
// names the file it was looking at.
func Analyze(ctx context.Context, in Input) (facts *Facts) {
	facts = &Facts{}
	var looking string
	defer func() {
		if r := recover(); r != nil {
			facts.Problems = append(facts.Problems, crash(r, looking))
		}
	}()

	start := time.Now()
	p := open(in)
	facts.Took.Parse = time.Since(start)
	facts.Sources = p.sources()

	start = time.Now()
	facts.Problems = p.complaints(ctx, &looking)
	facts.Took.Check = time.Since(start)
	if len(facts.Problems) > 0 {
		return facts
	}

	start = time.Now()
	p.extract(ctx, facts, &looking)
	facts.Took.Extract = time.Since(start)
	return facts
}

func crash(r any, file string) Problem {
	return Problem{
		Code:  "ARC0001",
		Text:  fmt.Sprintf("the compiler broke down here: %v", r),
		At:    Span{File: file},
		Hint:  "this is a fault of arc, not of your code; please report it with this file",
		Trace: string(debug.Stack()),
	}
}
