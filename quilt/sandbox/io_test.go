package sandbox

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestWholeDisks(t *testing.T) {
	dir := t.TempDir()
	for name, f := range map[string][2]string{"vda": {"254:0\n", "4096\n"}, "nvme0n1": {"259:0\n", "8\n"}, "loop0": {"7:0\n", "8\n"}, "dm-0": {"253:0\n", "8\n"}, "sdb": {"8:16\n", "0\n"}} {
		for i, file := range []string{"dev", "size"} {
			p := filepath.Join(dir, name, file)
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, []byte(f[i]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if d := cmp.Diff([]string{"254:0", "259:0"}, wholeDisks(dir)); d != "" {
		t.Error(d)
	}
}

// imageOnDisk is the container image where root is on a disk: in the boot image.
const imageOnDisk = "/aria/image"

// TestIOLimit: on v2 a container whose files lie on a disk reads no faster than
// its plan says. Where there is no such disk or no such limit, the plan names none.
func TestIOLimit(t *testing.T) {
	c := sharedClient(t)
	host := c.Hello()
	if host.CgroupVersion != 2 {
		if len(host.Disks) != 0 {
			t.Errorf("limits on %v are promised, and v1 has none", host.Disks)
		}
		return
	}
	if _, err := os.Stat(imageOnDisk); err != nil {
		return // files of containers lie in memory here: nothing to limit
	}
	if len(host.Disks) == 0 {
		t.Fatal("containers read from a disk, and the io controller is not handed on to their group")
	}
	l, client := launcherOnDisk(t)
	defer l.close()
	free := readFromDisk(t, client, Spec{})
	held := readFromDisk(t, client, Spec{IOBytes: 1 << 20})
	t.Logf("12 MiB of a compressed file: %v at the default, %v at 1 MiB a second", free, held)
	if held < 2500*time.Millisecond || held < 2*free {
		t.Errorf("12 MiB took %v at 1 MiB a second, %v at the default", held, free)
	}
}

func launcherOnDisk(t *testing.T) (*launcher, *Client) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	l, err := newLauncher(LauncherConfig{ImageDir: imageOnDisk, ImageDigest: "disk", ImageInPlace: true, CgroupName: testCgroup + "-disk", UIDBase: 200300000, Log: log}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := newLink(ours)
	ours.Close()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorker(conn)
	if err := l.greet(w, false); err != nil {
		t.Fatal(err)
	}
	l.front(w)
	client, err := Dial(theirs)
	if err != nil {
		t.Fatal(err)
	}
	return l, client
}

// readFromDisk is how long a container takes for 12 MiB of a file of which no page
// is in memory.
func readFromDisk(t *testing.T, c *Client, spec Spec) time.Duration {
	t.Helper()
	k := begin(t, c, spec, `const fs=require("fs");const fd=fs.openSync("/bin/bun");const b=Buffer.alloc(1<<20);
		fs.writeSync(3,"r");fs.readSync(3,Buffer.alloc(1));const t=performance.now();
		for(let i=0;i<12;i++)fs.readSync(fd,b,0,1<<20,(70+i)<<20);console.log(Math.round(performance.now()-t))`)
	if _, err := io.ReadFull(k.Control, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	unix.Sync()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Control.Write([]byte("g")); err != nil {
		t.Fatal(err)
	}
	o := end(t, k)
	ms, err := strconv.Atoi(strings.TrimSpace(o.stdout))
	if err != nil {
		t.Fatalf("%+v", o)
	}
	return time.Duration(ms) * time.Millisecond
}

// TestBornInGroup: on v2 nothing of a container runs outside its group.
func TestBornInGroup(t *testing.T) {
	c := sharedClient(t)
	before, err := c.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	runCode(t, Spec{}, `0`)
	after, err := c.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := uint64(0)
	if c.Hello().CgroupVersion == 2 {
		want = after.Started - before.Started
	}
	if after.Started == before.Started || after.Born-before.Born != want {
		t.Errorf("on cgroup v%d, %d started, %d of them born in their group, want %d", c.Hello().CgroupVersion, after.Started-before.Started, after.Born-before.Born, want)
	}
}
