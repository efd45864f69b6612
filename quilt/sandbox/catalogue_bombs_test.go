package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// bomb is a case with a container of its own, judged by how that ends.
type bomb struct {
	no   int
	name string
	spec Spec
	code string        // TypeScript; empty: Argv of the spec
	kill time.Duration // when to end it from outside; 0: it ends itself
	bad  func(o outcome, took time.Duration) string
}

const ffi = `const {dlopen,FFIType:F,CFunction,toBuffer}=require("bun:ffi");const fs=require("fs");`

func attack(what string) []string { return []string{"/bin/attacker", "attacker-" + what} }

func bombs() []bomb {
	code := func(want int) func(outcome, time.Duration) string {
		return func(o outcome, _ time.Duration) string { return unless(o.exit.Code == want, o) }
	}
	list := []bomb{
		{15, callOf32, Spec{}, ffi + `
const {symbols:{mmap}}=dlopen("libc.so.6",{mmap:{args:[F.ptr,F.u64,F.i32,F.i32,F.i32,F.i64],returns:F.ptr}});
const p=mmap(null,4096,7,0x22,-1,0);toBuffer(p,0,16).set([0xb8,20,0,0,0,0xcd,0x80,0xc3]);
new CFunction({ptr:p,returns:F.i32,args:[]})();console.log("survived")`, 0,
			func(o outcome, _ time.Duration) string { return unless(o.exit.Signal == 31 && o.stdout == "", o) }},
		{29, "tmp full of bytes", Spec{TmpBytes: 4 << 20}, `try{for(let i=0;i<64;i++)require("fs").writeFileSync("/tmp/f"+i,Buffer.alloc(1<<20))}catch(e){process.exit(e.code==="ENOSPC"?28:1)}`, 0, code(28)},
		{30, "tmp full of files", Spec{}, `try{for(let i=0;i<9999;i++)require("fs").writeFileSync("/tmp/f"+i,"")}catch(e){process.exit(e.code==="ENOSPC"?28:1)}`, 0, code(28)},
		{41, "memory bomb", Spec{MemoryBytes: 96 << 20}, `const a=[];for(;;)a.push(Buffer.alloc(1<<20,1))`, 0,
			func(o outcome, _ time.Duration) string {
				return unless(o.exit.OOM && o.exit.Signal == 9 && o.exit.PeakMemory <= 96<<20, o)
			}},
		{42, "memory in tmp is its own", Spec{MemoryBytes: 96 << 20, TmpBytes: 200 << 20}, `for(let i=0;i<200;i++)require("fs").writeFileSync("/tmp/f"+i,Buffer.alloc(1<<20,1))`, 0,
			func(o outcome, _ time.Duration) string { return unless(o.exit.OOM && o.exit.PeakMemory <= 96<<20, o) }},
		{42, "memory in pipes and memfds is its own", Spec{MemoryBytes: 96 << 20, Argv: attack("memfd")}, "", 0,
			func(o outcome, _ time.Duration) string { return unless(o.exit.OOM && o.exit.PeakMemory <= 96<<20, o) }},
		{43, "fork bomb", Spec{Argv: attack("forks")}, "", 400 * time.Millisecond,
			func(o outcome, took time.Duration) string {
				return unless(o.exit.PidsHit && o.exit.Signal == 9 && took < testenv.Patience(3*time.Second), o)
			}},
		{44, "thread bomb", Spec{Pids: 32}, `for(let i=0;i<200;i++)new Worker("data:text/javascript,setInterval(()=>{},1e6)");setInterval(()=>{},1e6)`, 700 * time.Millisecond,
			func(o outcome, _ time.Duration) string { return unless(o.exit.PidsHit, o) }},
		{45, "processor spin", Spec{CPUMillis: 200}, `for(;;);`, time.Second,
			func(o outcome, took time.Duration) string {
				return unless(o.exit.CPU < testenv.Patience(320*time.Millisecond)+took/5, o)
			}},
		{49, "core dump", Spec{Argv: attack("abort")}, "", 0, func(o outcome, _ time.Duration) string {
			return unless(o.exit.Signal == int(syscall.SIGABRT) || o.exit.Code == 2, o)
		}},
		{51, "output nobody reads", Spec{}, `const b=Buffer.alloc(1<<16,120);for(;;)require("fs").writeSync(1,b)`, 300 * time.Millisecond,
			func(o outcome, _ time.Duration) string {
				return unless(o.exit.Signal == 9 && o.exit.PeakMemory < 64<<20, o)
			}},
		{52, "blocked for ever", Spec{}, `require("fs").readSync(3,Buffer.alloc(1))`, 100 * time.Millisecond,
			func(o outcome, took time.Duration) string { return unless(o.exit.Signal == 9 && took < time.Second, o) }},
		{38, "names and hosts", Spec{}, `const net=require("net"),dns=require("dns"),bad=[];
const tcp=h=>new Promise(r=>{try{const s=net.connect(80,h);s.on("error",()=>r());s.on("connect",()=>{bad.push(h);r()})}catch{r()}});
for(const h of ["127.0.0.1","169.254.169.254","10.0.0.1","::1"])await tcp(h);
await fetch("http://127.0.0.1/").then(()=>bad.push("fetch"),()=>{});
await new Promise(r=>dns.resolve("example.com",e=>{if(!e)bad.push("dns");r()}));
process.exit(bad.length?1:0)`, 0, code(0)},
		{60, "no package from outside", Spec{}, `try{await import("left-pad");process.exit(1)}catch(e){process.exit(String(e.message).includes("Cannot find")?0:2)}`, 0, code(0)},
		{60, "files that steer Bun", Spec{}, `const fs=require("fs");for(const [f,s] of [["bunfig.toml",'preload=["/tmp/p.ts"]'],[".env","EVIL=1"],["p.ts","process.exit(9)"],["ok.ts","process.exit(process.env.EVIL?8:0)"]])fs.writeFileSync("/tmp/"+f,s);
const r=Bun.spawnSync(["/bin/bun","/tmp/ok.ts"],{cwd:"/"});process.exit(r.exitCode??7)`, 0, code(0)},
		{58, "nothing of a run before", Spec{}, `process.exit(require("fs").readdirSync("/tmp").length+Object.keys(globalThis).filter(k=>k==="planted").length)`, 0, code(0)},
		{59, "randomness of its own", Spec{}, `console.log(Math.random(),crypto.randomUUID())`, 0, func(o outcome, _ time.Duration) string {
			lastRandom, o.stdout = o.stdout, lastRandom+o.stdout
			f := strings.Fields(o.stdout)
			return unless(len(f) == 2 || len(f) == 4 && f[0] != f[2] && f[1] != f[3], o)
		}},
	}
	if runtime.GOARCH != "amd64" { // a 64-bit process has no such call
		list = slices.DeleteFunc(list, func(b bomb) bool { return b.name == callOf32 })
	}
	return list
}

const callOf32 = "32-bit call kills"

// lastRandom is what the container before this one drew.
var lastRandom string

func unless(ok bool, o outcome) string {
	if ok {
		return ""
	}
	return fmt.Sprintf("%+v %.200q %.200q", o.exit, o.stdout, o.stderr)
}

// explode runs a bomb and says what was wrong, if anything.
func explode(t testing.TB, c *Client, in profile, b bomb) string {
	t.Helper()
	k := in.begin(t, c, b.spec, b.code)
	began := time.Now()
	if b.kill > 0 {
		time.Sleep(testenv.Patience(b.kill)) // bombs take longer to build up on a slow processor
		began = time.Now()
		if err := k.Kill(); err != nil {
			return err.Error()
		}
	}
	o := end(t, k)
	if right, ok := in.bombs[b.name]; ok {
		return unless(right(o), o)
	}
	return b.bad(o, time.Since(began))
}

// attackerBomb is the attacker's other roles.
func attackerBomb(what string) {
	switch what {
	case "status":
		fmt.Println(status("Seccomp"))
	case "code":
		codeMain()
	case "fuzz":
		fuzzMain(os.Args[2:])
	case "fuzzworker":
		fuzzWorker(os.Args[2:])
	case "wait":
		var one [1]byte
		_, _ = unix.Read(3, one[:])
	case "forks":
		for { // raw: the children are copies that fork on
			_, _, _ = syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		}
	case "memfd":
		page := make([]byte, 1<<20)
		for {
			fd, err := unix.MemfdCreate("m", 0)
			if err != nil {
				os.Exit(4)
			}
			_, _ = unix.Write(fd, page)
		}
	case "abort":
		_ = unix.Kill(os.Getpid(), unix.SIGABRT)
		if p, err := exec.LookPath("/tmp/core"); err == nil {
			fmt.Println(p)
			os.Exit(5)
		}
		panic("abort")
	}
	os.Exit(0)
}
