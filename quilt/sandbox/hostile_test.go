package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestHostile is the whole catalogue in the default profile. Every case has one
// right outcome; the image's Bun is the same afterwards.
func TestHostile(t *testing.T) {
	n, wrong := hostileAll(t)
	for _, f := range wrong {
		t.Error(f)
	}
	if n < 250 {
		t.Errorf("only %d cases were tried", n)
	}
	lastLine = fmt.Sprintf("hostile: %d of %d as expected", n-len(wrong), n)
	t.Log(lastLine)
}

func hostileAll(t testing.TB) (n int, wrong []finding) {
	c := sharedClient(t)
	canary(t)
	before := imageDigest(t)
	n, wrong = attackHere(t, c)
	m, more := hostileTS(t)
	n, wrong = n+m, append(wrong, more...)
	for _, b := range bombs() {
		n++
		if bad := explode(t, c, b); bad != "" {
			wrong = append(wrong, finding{b.no, b.name, bad, "contained"})
		}
	}
	n++
	if after := imageDigest(t); after != before {
		wrong = append(wrong, finding{25, "image unchanged", after, before})
	}
	return n, wrong
}

// imageDigest is of the Bun that containers really run: the copy in the
// template's mount namespace, seen through a container's root.
func imageDigest(t testing.TB) string {
	t.Helper()
	c := sharedClient(t)
	k := begin(t, c, Spec{Argv: []string{"/bin/attacker", "attacker-wait"}}, "")
	defer func() { k.Kill(); end(t, k) }()
	root := filepath.Join("/proc", pidOf(k), "root/bin")
	h := sha256.New()
	for _, name := range []string{"bun", "attacker"} {
		f, err := os.Open(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
