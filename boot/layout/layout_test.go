package layout

import "testing"

func TestEntryNames(t *testing.T) {
	for _, c := range []struct {
		name string
		want Entry
		ok   bool
	}{
		{"aria-000001.conf", Entry{Generation: 1}, true},
		{"aria-000012+1.conf", Entry{Generation: 12, Counted: true, Left: 1}, true},
		{"aria-000012+0-1.conf", Entry{Generation: 12, Counted: true, Done: 1}, true},
		{"aria-12.conf", Entry{}, false},
		{"other-000012.conf", Entry{}, false},
		{"aria-000012.conf.new", Entry{}, false},
	} {
		got, ok := ParseEntry(c.name)
		if got != c.want || ok != c.ok {
			t.Errorf("ParseEntry(%q) = %+v %v", c.name, got, ok)
		}
		if ok && got.Name() != c.name {
			t.Errorf("%q comes back as %q", c.name, got.Name())
		}
	}
}
