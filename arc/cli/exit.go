package cli

import (
	"errors"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// The exit codes. docs/spec/exit-codes.md and "arc help exit-codes" are made
// from exitTable; they are a promise to scripts and only ever grow.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitBuild       = 3
	exitDenied      = 4
	exitUnavailable = 5
	exitTimeout     = 6
	exitConflict    = 7
	exitInterrupted = 130
)

// exitEntry is one row of the table.
type exitEntry struct {
	Code    int          `json:"code"`
	Name    string       `json:"name"`
	Meaning string       `json:"meaning"`
	Faults  []fault.Code `json:"faults"`
}

var exitTable = []exitEntry{
	{exitOK, "ok", "it worked", nil},
	{exitFailed, "failed", "the task failed, was cancelled or ran out of a limit; arc diff: the new version may do more or breaks callers", []fault.Code{
		fault.Failed, fault.Cancelled, fault.Exhausted, fault.Interrupted, fault.Diverged, fault.Uncertain, fault.Internal}},
	{exitUsage, "usage", "the command or what it was given is wrong: flag, input, unknown unit, run or bundle", []fault.Code{
		fault.Invalid, fault.NotFound, fault.Unimplemented}},
	{exitBuild, "build", "the project, its source or a bundle is wrong", nil},
	{exitDenied, "denied", "no credential, a wrong one, or one that may not do this; a bundle that nobody trusted has signed; consent that nobody gave", []fault.Code{
		fault.Unauthenticated, fault.Denied}},
	{exitUnavailable, "unavailable", "nothing answers, or a part is not up; trying again later can work", []fault.Code{
		fault.Unavailable}},
	{exitTimeout, "timeout", "a deadline or limit of time passed", []fault.Code{fault.Timeout}},
	{exitConflict, "conflict", "the state moved on, or going on would have been a deadlock", []fault.Code{
		fault.Conflict, fault.Deadlock}},
	{exitInterrupted, "interrupted", "Ctrl-C or SIGTERM", nil},
}

// coded is an error with an exit code that differs from its fault's. A nil err
// means that everything has been said already.
type coded struct {
	code int
	err  error
}

func (e *coded) Error() string {
	if e.err == nil {
		return "said already"
	}
	return e.err.Error()
}

func (e *coded) Unwrap() error { return e.err }

// asBuild gives errors about what is being built or read exit code 3 where
// their fault says "invalid" or "not found".
func asBuild(err error) error {
	switch fault.CodeOf(err) {
	case fault.Invalid, fault.NotFound:
		return &coded{exitBuild, err}
	}
	return err
}

// exitCode is the only place where an error becomes an exit code.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	var c *coded
	if errors.As(err, &c) {
		return c.code
	}
	code := fault.CodeOf(err)
	for _, row := range exitTable {
		for _, f := range row.Faults {
			if f == code {
				return row.Code
			}
		}
	}
	return exitFailed // a code that a newer server knows and we do not
}
