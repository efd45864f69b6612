package kernel

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOrder(t *testing.T) {
	f := &Files{Modules: map[string]Module{
		"ext4":       {Name: "ext4", Depends: []string{"jbd2", "mbcache"}},
		"jbd2":       {Name: "jbd2"},
		"mbcache":    {Name: "mbcache"},
		"virtio_net": {Name: "virtio_net", Depends: []string{"virtio"}, Aliases: []string{"virtio:d00000001v*"}},
		"virtio":     {Name: "virtio"},
		"r8169":      {Name: "r8169", Before: []string{"realtek", "not_there"}, Aliases: []string{"pci:v000010ECd*"}},
		"realtek":    {Name: "realtek"},
		"ahci":       {Name: "ahci", Aliases: []string{"pci:v*bc01sc06i01*"}},
		"loop_a":     {Name: "loop_a", Depends: []string{"loop_b"}},
		"loop_b":     {Name: "loop_b", Depends: []string{"loop_a"}},
		"torn":       {Name: "torn", Depends: []string{"gone"}},
	}}
	always := []string{"ext4", "built_in"}
	steps, err := f.Order(always, []string{"virtio_net", "r8169"}, []string{"ahci"})
	if err != nil {
		t.Fatal(err)
	}
	want := "jbd2 needed - \nmbcache needed - \next4 always jbd2,mbcache \nvirtio needed - \nvirtio_net device virtio virtio:d00000001v*\n" +
		"realtek needed - \nr8169 device realtek pci:v000010ECd*\nahci disk - pci:v*bc01sc06i01*\n"
	if d := cmp.Diff(want, string(List(steps))); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"torn", "loop_a"} {
		if _, err := f.Order([]string{bad}, nil, nil); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestSoftBefore(t *testing.T) {
	got := softBefore("pre: realtek crc32c-intel post: other")
	if d := cmp.Diff([]string{"realtek", "crc32c_intel"}, got); d != "" {
		t.Error(d)
	}
}
