package trust

import (
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

// State of one signature.
type State string

const (
	Trusted State = "trusted" // sound, by a key that may sign for the bundle
	Known   State = "known"   // sound, by a key at hand that may not sign for it
	Unknown State = "unknown" // no key with that id is at hand, so nothing is proven
	Broken  State = "broken"  // keys with that id are at hand, none made it
)

// Signature is what was found out about one signature.
type Signature struct {
	KeyID string `json:"keyid"`
	State State  `json:"state"`
	Key   string `json:"key,omitempty"` // the public key, for trusted and known
}

// Verdict on a bundle.
type Verdict struct {
	Policy     Policy      `json:"policy"`
	Rule       string      `json:"rule,omitempty"` // the namespace whose rule held; "" is none
	Signatures []Signature `json:"signatures"`
	// Signers are the key ids of the trusted signatures.
	Signers []string `json:"signers"`
}

// ruleFor finds the rule of a bundle's name: its own, then its namespace's, then
// that for anybody. Without one, a signature is required and nobody can give it.
func (t Trust) ruleFor(name string) (ns string, r Rule) {
	space, _, _ := strings.Cut(name, "/")
	for _, ns := range []string{name, space, Anybody} {
		if r, ok := t.Rules[ns]; ok {
			return ns, r
		}
	}
	return "", Rule{}
}

// Vouch gives a key that may sign for a bundle's name and for which sound holds;
// false if there is none.
func (t Trust) Vouch(name string, sound func(sign.PublicKey) bool) (sign.PublicKey, bool) {
	_, rule := t.ruleFor(name)
	i := slices.IndexFunc(rule.Keys, sound)
	if i < 0 {
		return sign.PublicKey{}, false
	}
	return rule.Keys[i], true
}

// Judge checks every signature of b. Known are more keys at hand, trusted for
// nothing by that.
func (t Trust) Judge(b *bundle.Bundle, known ...sign.PublicKey) Verdict {
	ns, rule := t.ruleFor(b.Manifest.Name)
	v := Verdict{Policy: rule.Policy, Rule: ns, Signatures: []Signature{}, Signers: []string{}}
	if v.Policy == "" {
		v.Policy = Required
	}
	for _, r := range t.Rules {
		known = append(known, r.Keys...)
	}
	for _, env := range b.Signatures {
		s := judge(env, rule.Keys, known)
		if s.State == Trusted {
			v.Signers = append(v.Signers, s.KeyID)
		}
		v.Signatures = append(v.Signatures, s)
	}
	return v
}

func judge(env sign.Envelope, may, known []sign.PublicKey) Signature {
	s := Signature{KeyID: env.KeyID.String(), State: Unknown}
	sound := func(p sign.PublicKey) bool { return env.Verify(p) }
	if i := slices.IndexFunc(may, sound); i >= 0 {
		s.State, s.Key = Trusted, may[i].String()
	} else if i := slices.IndexFunc(known, sound); i >= 0 {
		s.State, s.Key = Known, known[i].String()
	} else if slices.ContainsFunc(known, func(p sign.PublicKey) bool { return p.ID == env.KeyID }) {
		s.State = Broken
	}
	return s
}

// Check refuses, as fault.Denied, a bundle that the trust file does not let
// pass: one with a broken signature, and, where the policy is required, one
// without a signature by a trusted key.
func (t Trust) Check(b *bundle.Bundle, known ...sign.PublicKey) (Verdict, error) {
	v := t.Judge(b, known...)
	what := b.Manifest.Name + " " + b.Manifest.Version
	space, _, _ := strings.Cut(b.Manifest.Name, "/")
	var ids []string
	for _, s := range v.Signatures {
		if s.State == Broken {
			return v, fault.New(fault.Denied, "the signature of key %s on %s is not that key's", s.KeyID, what).
				WithHint("somebody changed it or signed under a false name: get the bundle anew from its author")
		}
		ids = append(ids, s.KeyID)
	}
	switch {
	case len(v.Signers) > 0 || v.Policy == Optional:
		return v, nil
	case len(ids) == 0:
		return v, fault.New(fault.Denied, "%s is not signed, and %s", what, v.demand()).
			WithHint(`sign it with "arc sign FILE", and trust the key with "arc trust add %s KEY"`, space)
	}
	return v, fault.New(fault.Denied, "%s is signed by %s, whom nobody trusts for it, and %s", what, strings.Join(ids, ", "), v.demand()).
		WithHint(`if the key is the author's, "arc trust add %s KEY" trusts it`, space)
}

// demand says why a signature is needed.
func (v Verdict) demand() string {
	if v.Rule == "" {
		return "no rule of the trust file lets it pass without"
	}
	return `the trust file requires a signature for "` + v.Rule + `"`
}
