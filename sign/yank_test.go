package sign

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// yankPayload is the payload that docs/spec/sharing.md gives: what every
// implementation
// writes for this statement.
const yankPayload = `{"name":"acme/orders","version":"1.2.3","digest":"sha256:` +
	"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a" + `","reason":"it loses <orders>","time":"2026-11-22T10:00:00Z"}` + "\n"

func TestYank(t *testing.T) {
	s, other := fixed(t, 1), fixed(t, 2)
	at := time.Date(2026, 11, 22, 12, 0, 0, 999, time.FixedZone("", 2*3600))
	y, err := s.Yank(statement, "it loses <orders>", at)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(yankPayload, string(y.payload)); diff != "" {
		t.Error(diff)
	}
	back, err := ParseYank(y.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(y.Statement, back.Statement); diff != "" || back.Statement.About() != statement {
		t.Error(diff)
	}
	forged := other.Public
	forged.ID = s.Public.ID
	if !back.Verify(s.Public) || back.Verify(other.Public) || back.Verify(forged) {
		t.Error("the yank does not verify with its key, or does with another")
	}
}

// A signature is never a yank, and a yank never a signature, not even where
// somebody writes the other type on it.
func TestYankIsNoSignature(t *testing.T) {
	s := fixed(t, 1)
	e, err := s.Seal(statement)
	if err != nil {
		t.Fatal(err)
	}
	y, err := s.Yank(statement, "", time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseYank(e.Bytes()); fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), "payloadType") {
		t.Errorf("a signature as a yank: %v", err)
	}
	if _, err := ParseEnvelope(y.Bytes()); fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), "payloadType") {
		t.Errorf("a yank as a signature: %v", err)
	}
	// The payload of a yank, signed as a manifest's.
	wrong, err := s.seal(PayloadType, y.Statement)
	if err != nil {
		t.Fatal(err)
	}
	wrong.kind = YankType
	raw, err := wrong.encode()
	if err != nil {
		t.Fatal(err)
	}
	relabelled, err := ParseYank(raw)
	if err != nil || relabelled.Verify(s.Public) {
		t.Errorf("a signature of another type verifies as a yank (%v)", err)
	}
}

func TestBadYanks(t *testing.T) {
	s := fixed(t, 1)
	if _, err := s.Yank(statement, strings.Repeat("x", MaxReason+1), time.Now()); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a long reason: %v", err)
	}
	if _, err := s.Yank(statement, "\xff", time.Now()); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a reason that is not UTF-8: %v", err)
	}
	for _, st := range []YankStatement{
		{"a", "1.0.0", "sha256:00", strings.Repeat("x", MaxReason+1), "2026-11-22T10:00:00Z"},
		{"a", "1.0.0", "sha256:00", "", "2026-11-22T10:00:00+02:00"},
		{"a", "1.0.0", "sha256:00", "", "2026-11-22T10:00:00.5Z"},
		{"a", "1.0.0", "sha256:00", "", ""},
	} {
		e, err := s.seal(YankType, st)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseYank(e.Bytes()); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", st, err)
		}
	}
}

// Whatever parses is in the one form, and no bytes make the parser fall.
func FuzzYank(f *testing.F) {
	y, err := fixed(f, 1).Yank(statement, "why", time.Unix(0, 0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(y.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := ParseYank(raw)
		if err != nil {
			if fault.CodeOf(err) != fault.Invalid {
				t.Fatalf("refused as %s: %v", fault.CodeOf(err), err)
			}
			return
		}
		if again, err := got.encode(); err != nil || string(again) != string(raw) {
			t.Fatalf("read %q, writes %q (%v)", raw, again, err)
		}
	})
}
