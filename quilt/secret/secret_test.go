package secret

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

func TestStore(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	set := func(tenant, name, value string) {
		t.Helper()
		if _, err := s.Set(ctx, tenant, name, value); err != nil {
			t.Fatal(err)
		}
	}
	set("", "B_KEY", "first-value")
	set("", "A_KEY", "another-value")
	set("other", "B_KEY", "of another tenant")
	set("", "B_KEY", "second-value")
	set("", "B_KEY", "second-value")
	if s, err = Open(dir, ""); err != nil { // as after a restart
		t.Fatal(err)
	}
	got, err := s.List(ctx, "")
	want := []Info{{Name: "A_KEY", Version: 1}, {Name: "B_KEY", Version: 2}}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Info{}, "Changed")); d != "" || err != nil {
		t.Error(d, err)
	}
	for tenant, value := range map[string]string{"": "second-value", "other": "of another tenant"} {
		if got, err := s.Resolve(ctx, tenant, "B_KEY"); got != value || err != nil {
			t.Errorf("tenant %q: %q, %v", tenant, got, err)
		}
	}
	if err := s.Remove(ctx, "", "B_KEY"); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{s.Remove(ctx, "", "B_KEY"), second(s.Resolve(ctx, "", "B_KEY")), second(s.Resolve(ctx, "x", "A_KEY"))} {
		if fault.CodeOf(err) != fault.NotFound {
			t.Errorf("after it was removed: %v", err)
		}
	}
}

func second(_ string, err error) error { return err }

// What lies on the disk is for nobody else, and holds no value.
func TestAtRest(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	const value = "a-very-plain-credential"
	if _, err := s.Set(t.Context(), "", "NAME_OF_IT", value); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(f)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, info.Mode(), err)
		}
		if bytes.Contains(text, []byte(value)) || bytes.Contains(text, []byte("NAME_OF_IT")) {
			t.Errorf("%s tells", f)
		}
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"": "long enough", "A:B": "long enough", "A B": "long enough", "A/B": "long enough",
		"SHORT": "seven77", "LINE": "long enough\r\nHost: x", "UTF": "lóng enough", "LONG": strings.Repeat("x", MaxValue+1),
	} {
		if _, err := s.Set(t.Context(), "", name, value); fault.CodeOf(err) != fault.Invalid || strings.Contains(err.Error(), value) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := s.Set(t.Context(), "", "K", "long enough"); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "secrets.key")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, ""); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("an identity that others read: %v", err)
	}
	if err := os.Rename(key, filepath.Join(dir, "kept")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, ""); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("without its identity: %v", err)
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("a new identity was made beside an old store")
	}
	other := t.TempDir()
	if _, err := Open(other, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, filepath.Join(other, "secrets.key")); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("with another identity: %v", err)
	}
}

// However the stream is cut, no form of the value passes, and all else does.
func TestMask(t *testing.T) {
	const value = `sk_live/"x"+&=51`
	m := NewMask("KEY", value)
	forms := []string{value, `sk_live%2F%22x%22%2B%26%3D51`, `sk_live%2f%22x%22%2b%26%3d51`, `sk_live/\"x\"+&=51`, `sk_live/\"x\"+\u0026=51`, `sk_live/&#34;x&#34;+&amp;=51`,
		"736b5f6c6976652f2278222b263d3531"}
	for _, user := range []string{"", "u", "us", "use"} {
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(user+":"+value+user)))
	}
	text := "<" + strings.Join(forms, "> <") + "> sk_liv"
	whole := m.String(text)
	if n := strings.Count(whole, "[secret KEY]"); n != len(forms) || !strings.HasSuffix(whole, "> sk_liv") {
		t.Errorf("%d of %d masked: %s", n, len(forms), whole)
	}
	for seed := range 200 {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		got, err := io.ReadAll(m.Reader(&cut{text, r}))
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range forms[:len(forms)-4] {
			if strings.Contains(string(got), form) {
				t.Fatalf("seed %d: %q passed in %s", seed, form, got)
			}
		}
		if n := strings.Count(string(got), "[secret KEY]"); n < len(forms) || !strings.HasSuffix(string(got), "> sk_liv") {
			t.Fatalf("seed %d: %d of %d masked: %s", seed, n, len(forms), got)
		}
	}
	got, err := io.ReadAll(m.Reader(iotest.OneByteReader(strings.NewReader("a " + value + " b"))))
	if string(got) != "a [secret KEY] b" || err != nil {
		t.Errorf("%q %v", got, err)
	}
}

// A stream of events is not held back.
func TestMaskKeepsUp(t *testing.T) {
	r, w := io.Pipe()
	m := NewMask("KEY", "sk_live_0123456789").Reader(r)
	go func() {
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
		}
	}()
	buf := make([]byte, 100)
	for i := range 3 {
		n, err := m.Read(buf)
		if want := fmt.Sprintf("data: %d\n\n", i); string(buf[:n]) != want || err != nil {
			t.Errorf("%q, %v, want %q", buf[:n], err, want)
		}
	}
}

type cut struct {
	left string
	r    *rand.Rand
}

func (c *cut) Read(p []byte) (int, error) {
	if c.left == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 1+c.r.IntN(20))], c.left)
	c.left = c.left[n:]
	return n, nil
}
