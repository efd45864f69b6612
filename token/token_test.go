package token

import (
	"slices"
	"testing"
)

// TestModes: the printed matrix of the spec, and that Sup is the least upper
// bound as far as conflicts go: what conflicts with a or b conflicts with both.
func TestModes(t *testing.T) {
	want := []string{ // rows held, columns asked: none IS IX S U X
		"++++++",
		"+++++-",
		"+++---",
		"++-++-",
		"++----",
		"+-----",
	}
	for held := None; held <= X; held++ {
		for asked := None; asked <= X; asked++ {
			if got := Compatible(held, asked); got != (want[held][asked] == '+') {
				t.Errorf("Compatible(%v, %v) = %v", held, asked, got)
			}
			sup := Sup(held, asked)
			if sup != Sup(asked, held) || Sup(sup, asked) != sup {
				t.Errorf("Sup(%v, %v) = %v is not symmetric or not absorbing", held, asked, sup)
			}
			for other := None; other <= X; other++ {
				if Compatible(other, sup) && (!Compatible(other, held) || !Compatible(other, asked)) {
					t.Errorf("Sup(%v, %v) = %v passes %v, which a part of it does not", held, asked, sup, other)
				}
			}
		}
	}
}

// TestAbove: two holders that conflict on a leaf may meet on its parent.
func TestAbove(t *testing.T) {
	for m, want := range map[Mode]Mode{None: None, IS: IS, IX: IX, S: IS, U: IX, X: IX} {
		if got := m.Above(); got != want {
			t.Errorf("%v.Above() = %v, want %v", m, got, want)
		}
	}
}

func TestSet(t *testing.T) {
	set, err := ParseSet([]string{"net:a.example:443", "kv:b:rw", "KV:a", "kv:b:w"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := set.Strings(), []string{"kv:a:r", "kv:b:rw", "net:a.example:443"}; !slices.Equal(got, want) {
		t.Errorf("set = %v, want %v", got, want)
	}
	child, err := ParseSet([]string{"kv:b/1:r", "kv:a:rw"})
	if err != nil {
		t.Fatal(err)
	}
	if child.Sub(set) {
		t.Errorf("%v must not be inside %v", child, set)
	}
	if out := child.Outside(set).Strings(); !slices.Equal(out, []string{"kv:a:rw"}) {
		t.Errorf("outside = %v", out)
	}
	policy, err := ParsePatterns([]string{"kv:*:rw", "net:*:*"})
	if err != nil {
		t.Fatal(err)
	}
	if !set.Sub(policy) || !Set(nil).Sub(nil) || policy.Sub(set) {
		t.Error("subset of a policy is wrong")
	}
	if !policy[0].IsPattern() || (Token{}).Covers(Token{}) || policy.Covers(Token{}) {
		t.Error("patterns or the zero token are wrong")
	}
	if _, err := ParseSet([]string{"kv:a", "kv:*:r"}); err == nil {
		t.Error("a pattern was taken as a token")
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse("kv:orders/2026:rw"); err != nil {
			b.Fatal(err)
		}
	}
}
