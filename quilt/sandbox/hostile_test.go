package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// profile is one of the ways in which a container can be: what it may do beside
// the default, and whether it was parked, and claimed before anything began.
type profile struct {
	name    string
	net     bool
	noJIT   bool
	claimed bool
	apart   bool              // cloned as where there is no stub
	least   int               // cases
	other   map[string]string // what comes out otherwise than in the default, and is right
	bombs   map[string]func(outcome) bool
}

var profiles = []profile{
	{name: "default", least: 280},
	{name: "net", least: 280, net: true, other: map[string]string{
		"AF_INET": "ok", "environment": namesInEnv(gateEnv()), // TCP on its own loopback; where the gate is
		"option of IP": "ENOPROTOOPT", // refused before anybody looks at the socket
	}},
	{name: "parked and claimed", least: 280, claimed: true},
	{name: "cloned apart", least: 280, apart: true},
	{name: "no JIT", least: 190, noJIT: true, other: map[string]string{
		"environment": namesInEnv([]string{"BUN_JSC_useJIT=0"}), "program from memory keeps the filter": "EPERM",
	}, bombs: map[string]func(outcome) bool{
		callOf32:                                func(o outcome) bool { return o.exit.Code == 1 && o.stdout == "" }, // it gets no code to call
		"memory in pipes and memfds is its own": func(o outcome) bool { return o.exit.Code == 4 },                   // nor a file in memory
	}},
}

// namesInEnv are the names that a container finds with more than the base.
func namesInEnv(more []string) string {
	var out []string
	for _, e := range append(baseEnv(), more...) {
		name, _, _ := strings.Cut(e, "=")
		out = append(out, name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// begin starts code in a container of this profile. One that is claimed boots
// with other limits than those of spec, and waits.
func (p profile) begin(t testing.TB, c *Client, spec Spec, code string) *Container {
	t.Helper()
	spec.Net, spec.NoJIT = p.net, p.noJIT
	if !p.claimed {
		k := begin(t, c, spec, code)
		if p.net {
			k.Gate.Close() // what a gate answers is quilt/gate's; here nobody listens
		}
		return k
	}
	if spec.Argv == nil {
		spec.Argv = []string{"/bin/bun", "--no-install", "-e", `require("fs").readSync(3,new Uint8Array(1));` + code}
	} else {
		spec.Argv = append([]string{spec.Argv[0], "hold"}, spec.Argv[1:]...)
	}
	parked := Spec{Argv: spec.Argv, TmpBytes: spec.TmpBytes, Env: spec.Env, MemoryBytes: 77 << 20, Pids: 33, CPUMillis: 777}
	if c.Hello().without(WithoutCgroups) { // a claim cannot change them
		parked.MemoryBytes, parked.Pids = spec.MemoryBytes, spec.Pids
	}
	k := begin(t, c, parked, "")
	spec.ID = "claimer"
	plan, err := NewPlan(spec, c.Hello())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Claim(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Control.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	return k
}

// right takes over what is right in this profile.
func (p profile) right(list []attempt) []attempt {
	for i, a := range list {
		if want, ok := p.other[a.name]; ok {
			list[i].want = want
		}
	}
	return list
}

// TestHostile is the whole catalogue in every profile. Every case has one right
// outcome; the image's Bun is the same afterwards.
func TestHostile(t *testing.T) {
	all, bad := 0, 0
	sharedClient(t)
	for _, p := range profiles {
		p = p.withoutRoot(shared.client.Hello())
		t.Run(p.name, func(t *testing.T) {
			shared.launcher.template.apart.Store(p.apart)
			defer shared.launcher.template.apart.Store(false)
			n, wrong := hostileAll(t, p)
			for _, f := range wrong {
				t.Error(f)
			}
			if n < p.least {
				t.Errorf("only %d cases were tried", n)
			}
			t.Logf("%d of %d", n-len(wrong), n)
			all, bad = all+n, bad+len(wrong)
		})
	}
	lastLine = fmt.Sprintf("hostile: %d of %d as expected, in %d profiles%s", all-bad, all, len(profiles), howHere(shared.client.Hello()))
	t.Log(lastLine)
}

func hostileAll(t testing.TB, p profile) (n int, wrong []finding) {
	c := sharedClient(t)
	canary(t)
	before := imageDigest(t)
	n, wrong = attackHere(t, c, p)
	attack := hostileTS
	if p.noJIT { // those calls go through code that bun:ffi makes
		attack = hostileCode
	}
	m, more := attack(t, p)
	n, wrong = n+m, append(wrong, more...)
	for _, b := range bombs() {
		n++
		if bad := explode(t, c, p, b); bad != "" {
			wrong = append(wrong, finding{b.no, b.name, bad, "contained"})
		}
	}
	n++
	if after := imageDigest(t); after != before {
		wrong = append(wrong, finding{25, "image unchanged", after, before})
	}
	return n, wrong
}

// hostileCode are the ways to memory that can be executed.
func hostileCode(t testing.TB, p profile) (int, []finding) {
	var got map[string]string
	o := end(t, p.begin(t, sharedClient(t), Spec{Argv: attack("code")}, ""))
	if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
		t.Fatalf("%v: %+v", err, o)
	}
	return judge(got, codeProbes(p.noJIT))
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
