package keys

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

func TestStore(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "aria", "keys")}
	if list, err := s.List(); err != nil || len(list) != 0 {
		t.Fatalf("no folder: %v, %v", list, err)
	}
	k, err := s.New("ci", "")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{k.Secret: 0o600, k.Path: 0o644, s.Dir: 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want mode %o", path, info.Mode(), err, want)
		}
	}
	if _, err := s.New("ci", ""); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("the same name again: %v", err)
	}
	for _, ref := range []string{"ci", k.Path, k.Public} {
		if got, err := s.Public(ref); err != nil || got.Key != k.Key {
			t.Errorf("Public(%q) = %v, %v", ref, got, err)
		}
	}
	for _, ref := range []string{"ci", k.Secret} {
		if got, err := s.Secret(ref, ""); err != nil || got.Public != k.Key {
			t.Errorf("Secret(%q) = %v, %v", ref, got.Public, err)
		}
	}
	if list, err := s.List(); err != nil || len(list) != 1 || list[0] != k {
		t.Errorf("List() = %v, %v", list, err)
	}
}

func TestRefusals(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	k, err := s.New("ci", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "a/b", "..", "a b", strings.Repeat("a", 65)} {
		if _, err := s.New(name, ""); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("New(%q): %v", name, err)
		}
	}
	if _, err := s.Secret("nobody", ""); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("Secret: %v", err)
	}
	if _, err := s.Public("nobody"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("Public: %v", err)
	}
	if _, err := s.Public(s.Dir); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a folder: %v", err)
	}
	if _, err := s.Public(k.Secret); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a secret key as a public one: %v", err)
	}
	if err := os.Chmod(k.Secret, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Secret("ci", ""); fault.CodeOf(err) != fault.Denied || !strings.Contains(err.Error(), "0644") {
		t.Errorf("a secret key that others can read: %v", err)
	}
}
