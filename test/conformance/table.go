package conformance

import (
	_ "embed"
	"fmt"
	"strings"
)

// named are the cases that differ, each with the reason. A case that is not
// named must agree.
//
//go:embed named.tsv
var named string

// total is the number of cases at the last comparison.
const total = 121

// reached is how many agreed at the last comparison: it may rise and not fall.
const reached = 109

// Named gives the reason of each case that may differ.
func Named() (map[string]string, error) {
	out := map[string]string{}
	for line := range strings.Lines(named) {
		name, reason, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || reason == "" || out[name] != "" {
			return nil, fmt.Errorf("named.tsv: %q needs a name and a reason, once", line)
		}
		out[name] = reason
	}
	return out, nil
}

// Score is the sum of a comparison.
type Score struct {
	Agree, Total, Named int
	Wrong               []string // what contradicts the table
	Measured            bool     // false: the data is missing, and this is the table's sum
}

func (s Score) String() string {
	return fmt.Sprintf("conformance: %d of %d agree, %d named", s.Agree, s.Total, s.Named)
}

// OK tells whether the gates hold.
func (s Score) OK() bool {
	return len(s.Wrong) == 0 && s.Agree >= reached && s.Agree+s.Named == s.Total
}

// Compare runs every case of the data in dir and holds it to the table; each
// hears every outcome. With dir empty it sums the table alone.
func Compare(dir string, each func(Outcome)) (Score, error) {
	reasons, err := Named()
	if err != nil {
		return Score{}, err
	}
	s := Score{Total: total, Named: len(reasons)}
	if dir == "" {
		s.Agree = total - len(reasons)
		return s, nil
	}
	cases, err := Cases(dir)
	if err != nil {
		return Score{}, err
	}
	s.Measured, s.Total = true, len(cases)
	if len(cases) != total {
		s.Wrong = append(s.Wrong, fmt.Sprintf("the data has %d cases, the table was made of %d", len(cases), total))
	}
	for _, c := range cases {
		o, err := Run(c)
		if err != nil {
			return Score{}, err
		}
		each(o)
		reason := reasons[c.Name]
		delete(reasons, c.Name)
		switch {
		case o.Agrees && reason != "":
			s.Wrong = append(s.Wrong, c.Name+" agrees by now; take it out of named.tsv")
		case !o.Agrees && reason == "":
			s.Wrong = append(s.Wrong, c.Name+" differs: "+o.Detail)
		}
		if o.Agrees {
			s.Agree++
		}
	}
	for name := range reasons {
		s.Wrong = append(s.Wrong, name+" is named but is no case")
	}
	return s, nil
}
