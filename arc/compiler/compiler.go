// Package compiler turns a project folder into a bundle. Its stages, in the
// order in which data flows: read.go (the project's settings), check.go
// (TypeScript's own compiler, through package tsc), extract.go (units out of
// what it found), emit.go (JavaScript, made by esbuild while the check runs),
// build.go (everything into one bundle).
//
// It writes no file, reaches no network, and gives the same bytes for the same
// project on every machine. It runs none of the author's code, but for one stage
// that is asked for by name (reflect.go): schemas that are values are read in a
// sandbox of package cell. It does not read aria.toml: package project does.
package compiler

import (
	"time"

	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/bundle"
)

// Project is what aria.toml says and which files it means.
type Project struct {
	Dir         string // absolute
	Name        string
	Version     string
	Description string
	Files       []string                  // relative to Dir, with slashes
	Overrides   map[string]map[string]any // unit, option, value
	// Allow are modules of the platform that are refused otherwise: with
	// their full names, as "node:vm".
	Allow []string
}

// Options of one build.
type Options struct {
	Project Project
	// Bun is the runtime in which schemas that are values are read, locked away in
	// a cell. Empty: none of the author's code is run, and such schemas refused.
	Bun string
	// Locked says which version of another bundle a reference leads to at the
	// author's; nil: nothing is locked.
	Locked func(bundle.Reference) (version string, digest bundle.Digest, ok bool)

	memo *reflections
}

// Result of a build. Bundle, Digest and Manifest are empty if one of the
// messages is an error; Check fills Manifest only, without its files.
type Result struct {
	Bundle   []byte
	Digest   bundle.Digest
	Manifest *bundle.Manifest
	Messages []diag.Message
	Timings  Timings
}

// Timings say where the time went. Emit runs beside Parse, Check and Extract.
type Timings struct {
	Parse, Check, Extract, Emit, Pack, Total time.Duration
}
