package sandbox

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elastic/go-seccomp-bpf/arch"
)

// finding is one case that did not come out as it must.
type finding struct {
	no        int
	name      string
	got, want string
}

func (f finding) String() string {
	return fmt.Sprintf("%d %s: %q, want %q", f.no, f.name, f.got, f.want)
}

// judge compares what a container reported with what must be. It returns how
// many cases there were.
func judge(got map[string]string, want []attempt) (n int, wrong []finding) {
	for _, p := range want {
		is, there := got[p.name]
		if !there {
			is = "not tried"
		}
		if ok := regexp.MustCompile("^(?:" + strings.ReplaceAll(regexp.QuoteMeta(p.want), `\|`, "|") + ")$").MatchString(is); !ok {
			wrong = append(wrong, finding{p.no, p.name, is, p.want})
		}
	}
	return len(want), wrong
}

// canary listens where no container may reach.
func canary(t testing.TB) {
	t.Helper()
	l, err := net.Listen("unix", canaryName)
	if err != nil {
		return // another run of these tests listens already
	}
	t.Cleanup(func() { l.Close() })
}

// attackHere runs the attacker in a container and looks at it from outside.
func attackHere(t testing.TB, c *Client, in profile) (n int, wrong []finding) {
	t.Helper()
	k := in.begin(t, c, Spec{Argv: []string{"/bin/attacker", "attacker", strconv.Itoa(os.Getpid())}}, "")
	var got map[string]string
	k.Stdout.SetReadDeadline(time.Now().Add(20 * time.Second))
	if err := json.NewDecoder(k.Stdout).Decode(&got); err != nil {
		k.Kill()
		t.Fatalf("attacker: %v; %+v", err, end(t, k))
	}
	n, wrong = judge(got, in.right(probes()))
	r := shared.launcher.find(k.n)
	plan, err := NewPlan(Spec{ID: "outside"}, c.Hello())
	if err != nil {
		t.Fatal(err)
	}
	m, more := judge(outsideView(r.pid, r.slot), outsideProbes(plan, r.slot))
	k.Kill()
	end(t, k)
	return n + m, append(wrong, more...)
}

// outsideProbes is what the host must see of a container.
func outsideProbes(plan Plan, sl *slot) []attempt {
	ids := fmt.Sprintf("0 %d %d", sl.users.id-plan.UID, plan.IDRange)
	if plan.IDRange == 1 {
		ids = fmt.Sprintf("%d %d 1", plan.UID, sl.users.id)
	}
	out := []attempt{
		{no: 21, name: "host user", want: fmt.Sprint(sl.users.id)},
		{no: 21, name: "id map", want: ids},
	}
	for _, ns := range plan.Namespaces {
		out = append(out, attempt{no: 1, name: "namespace " + ns, want: "own"})
	}
	for i := range sl.group.dirs {
		out = append(out, attempt{no: 41, name: fmt.Sprint("in group ", i), want: "yes"})
	}
	for _, s := range limitSettings(sl.group.version, plan.Cgroup) {
		name, want := s.file, s.value
		if s.file == "io.max" { // one line for each disk
			disk, limits, _ := strings.Cut(s.value, " ")
			name, want = s.file+" "+disk, limits
		}
		out = append(out, attempt{no: 41, name: name, want: want})
	}
	if sl.group.version == 1 {
		out = append(out, attempt{no: 20, name: "devices.list", want: strings.Join(deviceRules, " ")},
			attempt{no: 41, name: "memory.swappiness", want: "0"})
	}
	return out
}

func outsideView(pid int, sl *slot) map[string]string {
	got := map[string]string{}
	dir := fmt.Sprintf("/proc/%d/", pid)
	read := func(path string) string {
		b, _ := os.ReadFile(path)
		return strings.Join(strings.Fields(string(b)), " ")
	}
	got["id map"] = read(dir + "uid_map")
	if f := strings.Fields(read(dir + "status")); len(f) > 0 {
		for i, w := range f {
			if w == "Uid:" {
				got["host user"] = f[i+1]
			}
		}
	}
	for _, ns := range []string{"mnt", "pid", "net", "ipc", "uts", "cgroup", "user"} {
		host, _ := os.Readlink("/proc/self/ns/" + ns)
		its, err := os.Readlink(dir + "ns/" + ns)
		got["namespace "+ns] = "own"
		if err != nil || its == host {
			got["namespace "+ns] = "the host's"
		}
	}
	for i, d := range sl.group.dirs {
		got[fmt.Sprint("in group ", i)] = "no"
		for p := range strings.FieldsSeq(read(d + "/cgroup.procs")) {
			if p == strconv.Itoa(pid) {
				got[fmt.Sprint("in group ", i)] = "yes"
			}
		}
	}
	for _, s := range limitSettings(sl.group.version, Limits{}) {
		got[s.file] = read(sl.group.at(s.controller, s.file))
	}
	if sl.group.version == 2 {
		limited, _ := os.ReadFile(sl.group.at("", "io.max"))
		for line := range strings.Lines(string(limited)) {
			disk, limits, _ := strings.Cut(strings.TrimSpace(line), " ")
			got["io.max "+disk] = limits
		}
	}
	if sl.group.version == 1 {
		got["devices.list"] = read(sl.group.at("devices", "devices.list"))
		got["memory.swappiness"] = read(sl.group.at("memory", "memory.swappiness"))
	}
	return got
}

// hostileTS are the same attempts from TypeScript, through libc.
func hostileTS(t testing.TB, in profile) (n int, wrong []finding) {
	t.Helper()
	code, err := os.ReadFile("testdata/hostile.ts")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	o := end(t, in.begin(t, sharedClient(t), Spec{}, "const own = "+ownNumbers(t)+";\n"+string(code)))
	if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
		t.Fatalf("%v: %+v", err, o)
	}
	return judge(got, in.right(expectTS(got)))
}

// ownNumbers are this machine's numbers of amd64's calls, as JSON: of those that
// differ. What is not here has one that no kernel knows.
func ownNumbers(t testing.TB) string {
	t.Helper()
	numbers := map[int]int{}
	if runtime.GOARCH == "arm64" {
		for name, n := range arch.X86_64.SyscallNames {
			own, ok := arch.AARCH64.SyscallNames[name]
			if !ok {
				own = 9000 + n
			}
			numbers[n] = own
		}
	}
	text, err := json.Marshal(numbers)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// expectTS says what each call of testdata/hostile.ts must give.
func expectTS(got map[string]string) (out []attempt) {
	other := map[string]string{
		"clone3": "ENOSYS", "prctl seccomp": "EINVAL", "prctl pdeathsig": "EINVAL", "prctl ambient": "EINVAL", "prctl mdwe": "EINVAL",
		"TIOCSTI": "ENOTTY", "kill host process": "ESRCH",
		"AF_UNIX": "ok", // local sockets of its own; its network namespace is empty
	}
	for name := range got {
		want := "EPERM"
		if w, ok := other[name]; ok {
			want = w
		} else if strings.Contains(name, "AF_") {
			want = "EAFNOSUPPORT"
		}
		out = append(out, attempt{no: 1, name: name, want: want})
	}
	return out
}

func pidOf(k *Container) string { return strconv.Itoa(shared.launcher.find(k.n).pid) }
