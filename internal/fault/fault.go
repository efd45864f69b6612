// Package fault is the one error type that people read: a code from a closed
// list, one clear sentence, and a hint that says what to do next. Everything
// else is an ordinary wrapped error; an error without a fault in its chain is
// "internal" to whoever is outside, and its text stays in the log.
package fault

import (
	"errors"
	"fmt"
)

// Code is one of the closed list in docs/spec/errors.md.
type Code string

const (
	Invalid         Code = "invalid"         // the request or input is wrong; the same again fails again
	NotFound        Code = "not_found"       // no such unit, run, bundle
	Unauthenticated Code = "unauthenticated" // no credential, or a wrong one
	Denied          Code = "denied"          // authority does not cover it
	Conflict        Code = "conflict"        // the state moved on: compare-and-set, duplicate id
	Deadlock        Code = "deadlock"        // this request would have closed a cycle
	Timeout         Code = "timeout"         // a deadline or limit of time passed
	Cancelled       Code = "cancelled"       // somebody asked for it to stop
	Exhausted       Code = "exhausted"       // memory, pids, tokens, budget, quota, disk
	Unavailable     Code = "unavailable"     // a part is not up; trying again later can work
	Interrupted     Code = "interrupted"     // a daemon stopped in the middle; effects may have happened
	Failed          Code = "failed"          // user code threw, or a model answered nonsense
	Diverged        Code = "diverged"        // code that was taken up again after a crash did not do what it had done
	Uncertain       Code = "uncertain"       // a crash came in the middle of a call that cannot be made twice; it may have happened
	Unimplemented   Code = "unimplemented"   // this build cannot do it
	Internal        Code = "internal"        // ours to mend
)

// Error has a face for people (Code, Message, Hint) and a cause for the log.
type Error struct {
	Code    Code
	Message string // one sentence, no capital, no full stop
	Hint    string // what to do next; may be empty
	Stack   string // of user code, in the author's files; may be empty
	Cause   error  `json:"-"` // never shown
}

// New makes a fault with a fixed or formatted message.
func New(code Code, format string, args ...any) *Error {
	if len(args) == 0 {
		return &Error{Code: code, Message: format}
	}
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes a fault that keeps err for the log.
func Wrap(err error, code Code, format string, args ...any) *Error {
	e := New(code, format, args...)
	e.Cause = err
	return e
}

// WithHint returns e with the hint set.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = format
	if len(args) > 0 {
		c.Hint = fmt.Sprintf(format, args...)
	}
	return &c
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// As finds the first fault in err's chain.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// CodeOf is the code of the first fault in err's chain, Internal if there is
// none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := As(err); ok {
		return e.Code
	}
	return Internal
}
