package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestCodeOf(t *testing.T) {
	inner := Wrap(errors.New("disk"), Exhausted, "no room for %s", "it").WithHint("free some")
	for _, c := range []struct {
		err  error
		want Code
	}{
		{nil, ""},
		{errors.New("x"), Internal},
		{inner, Exhausted},
		{fmt.Errorf("store: %w", inner), Exhausted},
	} {
		if got := CodeOf(c.err); got != c.want {
			t.Errorf("CodeOf(%v) = %q, want %q", c.err, got, c.want)
		}
	}
	if inner.Message != "no room for it" || inner.Hint != "free some" || inner.Error() != "no room for it: disk" {
		t.Errorf("%+v", inner)
	}
}

func TestHintLeavesTheOriginal(t *testing.T) {
	a := New(Invalid, "full")
	if b := a.WithHint("try %d", 2); a.Hint != "" || b.Hint != "try 2" || b.Message != "full" {
		t.Errorf("%+v, %+v", a, b)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"kv", "queue", "secret", "orders.get", "orders.add"}
	for word, want := range map[string]string{
		"kvs": "kv", "quue": "queue", "sercet": "secret", "Secret": "secret", "orders.gte": "orders.get",
		"orders.xxx": "orders.add", "zebra": "", "x": "", "": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
