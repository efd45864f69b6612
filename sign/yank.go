package sign

import (
	"time"
	"unicode/utf8"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// YankType is the payload type of envelopes that take a bundle back.
const YankType = "application/vnd.aria.yank.v1+json"

// MaxReason is the most bytes the reason of a yank may have.
const MaxReason = 500

// YankStatement is what somebody says who takes a bundle back.
type YankStatement struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Digest  string `json:"digest"` // of the bundle: "sha256:" and 64 hex digits
	Reason  string `json:"reason"` // for people; may be ""
	Time    string `json:"time"`   // RFC 3339 in UTC, whole seconds; the signer's word
}

// About is the bundle that is taken back.
func (y YankStatement) About() Statement { return Statement{y.Name, y.Version, y.Digest} }

// Yank is a DSSE envelope with one signature, in which somebody takes a bundle
// back. Parsing one proves nothing; Verify does.
type Yank struct {
	dsse
	Statement YankStatement
}

// Yank takes a bundle back at a time. Errors are fault.Invalid: a reason that is
// too long or not UTF-8.
func (s SecretKey) Yank(about Statement, reason string, at time.Time) (Yank, error) {
	st := YankStatement{about.Name, about.Version, about.Digest, reason, at.UTC().Format(time.RFC3339)}
	if err := st.check(); err != nil {
		return Yank{}, err
	}
	e, err := s.seal(YankType, st)
	return Yank{e, st}, err
}

func (y YankStatement) check() error {
	t, err := time.Parse(time.RFC3339, y.Time)
	switch {
	case len(y.Reason) > MaxReason:
		return fault.New(fault.Invalid, "the reason has more than %d bytes", MaxReason).WithHint("say it in fewer words, with an address for the rest")
	case !utf8.ValidString(y.Reason):
		return fault.New(fault.Invalid, "the reason is not UTF-8")
	case err != nil || t.UTC().Format(time.RFC3339) != y.Time:
		return fault.New(fault.Invalid, "the time %.40q is not one in UTC with whole seconds", y.Time)
	}
	return nil
}

// ParseYank takes an envelope in the one form that SecretKey.Yank writes. Errors
// are fault.Invalid.
func ParseYank(raw []byte) (Yank, error) {
	var st YankStatement
	e, err := parse(YankType, raw, &st)
	if err == nil {
		err = st.check()
	}
	if f, ok := fault.As(err); ok {
		return Yank{}, fault.Wrap(err, fault.Invalid, "%s", f.Message).WithHint(`sign it with "arc yank"`)
	}
	return Yank{e, st}, nil
}
