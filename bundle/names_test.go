package bundle

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, c := range []struct {
		valid   func(string) bool
		what    string
		yes, no []string
	}{
		{ValidName, "name", []string{"a", "orders", "acme/orders", "0x", "a.b_c-d", long, long + "/" + long},
			[]string{"", "/", "a/", "/a", "a/b/c", "A", "-a", ".a", "é", "a b", long + "a", "a\x00"}},
		{ValidVersion, "version", []string{"0.0.0", "1.2.3", "1.2.3-beta.1", "1.2.3+build.5", "1.2.3-a-b+c-d", "999999999.0.0"},
			[]string{"", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3+", "v1.2.3", "1.2.x", "1.2.3_4", "1000000000.0.0", "1.2.3+a+b", "1.2.3-a_b"}},
		{ValidUnitName, "unit", []string{"orders.get", "support", "_a.b-c.d1.e", long},
			[]string{"", ".", "a.", ".a", "a..b", "1a", "-a", "a.b.c.d.e", "é", "a/b", long + "a"}},
		{validIdentifier, "identifier", []string{"get", "$x", "_1", "größe", "日本"},
			[]string{"", "1a", "a-b", "a.b", "a b", "\xff", strings.Repeat("a", 129)}},
	} {
		for _, s := range c.yes {
			if !c.valid(s) {
				t.Errorf("%s %q is refused", c.what, s)
			}
		}
		for _, s := range c.no {
			if c.valid(s) {
				t.Errorf("%s %q is taken", c.what, s)
			}
		}
	}
}
