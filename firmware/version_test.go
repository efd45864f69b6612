package firmware

import "testing"

func TestOlder(t *testing.T) {
	for _, c := range []struct {
		version, than string
		want          bool
	}{
		{"1.2.0", "1.10.0", true},
		{"1.10.0", "1.2.0", false},
		{"1.2.0", "1.2.0", false},
		{"1.2.0-rc.1", "1.2.0", true},
		{"2026.11", "2026.2", false},
		{"nightly", "1.0.0", true},
		{"1.0.0", "nightly", false},
		{"nightly", "older-nightly", false},
	} {
		if got := Older(c.version, c.than); got != c.want {
			t.Errorf("Older(%q, %q) = %v", c.version, c.than, got)
		}
	}
}
