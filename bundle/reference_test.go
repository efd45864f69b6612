package bundle

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

func TestRange(t *testing.T) {
	versions := []string{"0.9.0", "1.0.0", "1.2.3", "1.10.0", "2.0.0-beta.1", "2.0.0", "3.0.0-rc.1"}
	for _, c := range []struct{ shows, text, want string }{
		{"caret", "^1", "1.10.0"},
		{"tilde", "~1.2", "1.2.3"},
		{"exact", "1.0.0", "1.0.0"},
		{"exact prerelease", "2.0.0-beta.1", "2.0.0-beta.1"},
		{"any, without prereleases", "*", "2.0.0"},
		{"nothing is any", "", "2.0.0"},
		{"between", ">=1.0.0 <1.10", "1.2.3"},
		{"either", "0.9.x || ^1.10", "1.10.0"},
		{"a prerelease if asked for", ">=3.0.0-0", "3.0.0-rc.1"},
		{"none", "^4", ""},
	} {
		r, err := ParseRange(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.shows, err)
			continue
		}
		if got, ok := r.Newest(versions); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: newest of %q is %q, want %q", c.shows, c.text, got, c.want)
		}
	}
	for _, bad := range []string{"latest", "^", "1.2.3.4", "a b"} {
		if _, err := ParseRange(bad); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseReference(t *testing.T) {
	for text, want := range map[string]Reference{
		"acme/search@^1#web":            {"acme/search", "^1", "web"},
		"acme/search@>=1.2 <3#deep.web": {"acme/search", ">=1.2 <3", "deep.web"},
		"search#web":                    {"search", "", "web"},
		"web":                           {},
		"search@1":                      {},
		"Search@1#web":                  {},
		"#web":                          {},
	} {
		got, ok := ParseReference(text)
		if diff := cmp.Diff(want, got); diff != "" || ok != (want != Reference{}) {
			t.Errorf("%q: %v %s", text, ok, diff)
		}
		if ok && got.String() != text {
			t.Errorf("%q is written %q", text, got)
		}
	}
}

func TestUnsigned(t *testing.T) {
	plain := open(t, packed(t))
	both := open(t, signed(t, plain, newKey(t), newKey(t)))
	back, err := both.Unsigned()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain.data, back); diff != "" {
		t.Error("without its signatures the file is not what it was")
	}
	if len(both.Signatures) != 2 {
		t.Error("Unsigned changed the bundle it was called on")
	}
}

func TestParsePattern(t *testing.T) {
	for s, want := range map[string]bool{
		"acme/*@^1#orders.*": true, "catalogue@*#*.*": true, "*#web": true, "acme/search#*": true,
		"acme/search@^1#web": false, "orders.*": false, "acme/*": false, "acme/ *#web": false, "a*#": false, "*#..": false,
	} {
		if _, ok := ParsePattern(s); ok != want {
			t.Errorf("%q is a pattern: %v, want %v", s, ok, want)
		}
	}
}
