package sandbox

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestHostileCalls makes each call of testdata/hostile.ts in a container. All
// are EPERM but the ones named here.
func TestHostileCalls(t *testing.T) {
	code, err := os.ReadFile("testdata/hostile.ts")
	if err != nil {
		t.Fatal(err)
	}
	o := runCode(t, Spec{}, string(code))
	var got map[string]string
	if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
		t.Fatalf("%v: %+v", err, o)
	}
	other := map[string]string{
		"clone3": "ENOSYS", "prctl seccomp": "EINVAL", "prctl pdeathsig": "EINVAL", "prctl ambient": "EINVAL", "prctl mdwe": "EINVAL",
		"TIOCSTI": "ENOTTY", "kill host process": "ESRCH",
		"AF_UNIX": "ok", // local sockets of its own; its network namespace is empty
	}
	for name, is := range got {
		want := "EPERM"
		if w, ok := other[name]; ok {
			want = w
		} else if strings.Contains(name, "AF_") {
			want = "EAFNOSUPPORT"
		}
		if is != want {
			t.Errorf("%s: %s, want %s", name, is, want)
		}
	}
	if len(got) < 90 {
		t.Errorf("only %d calls were tried", len(got))
	}
	t.Logf("%d hostile calls", len(got))
}

// TestNoNetwork: nothing that the language offers reaches anybody.
func TestNoNetwork(t *testing.T) {
	o := runCode(t, Spec{}, `
const net=require("net"),dns=require("dns");const out={};
const tcp=(h,p)=>new Promise(r=>{try{const s=net.connect(p,h);s.on("error",e=>r(e.code??String(e)));s.on("connect",()=>r("CONNECTED"))}catch(e){r(e.code??String(e))}setTimeout(()=>r("TIMEOUT"),500)});
for (const h of ["127.0.0.1","169.254.169.254","10.0.0.1","::1"]) out[h]=await tcp(h,80);
out.fetch=await fetch("http://127.0.0.1:80/").then(()=>"CONNECTED",e=>e.code??e.name);
out.dns=await new Promise(r=>dns.resolve("example.com",(e)=>r(e?e.code:"RESOLVED")));
out.abstract=await new Promise(r=>{const s=net.connect("\0aria");s.on("error",e=>r(e.code));s.on("connect",()=>r("CONNECTED"))});
console.log(JSON.stringify(out));process.exit(0)`)
	var got map[string]string
	if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
		t.Fatalf("%v: %+v", err, o)
	}
	for name, is := range got {
		if is == "CONNECTED" || is == "RESOLVED" || is == "TIMEOUT" || is == "" {
			t.Errorf("%s: %s", name, is)
		}
	}
	t.Log(got)
}

// TestForeignArchitecture: a 32-bit call kills the process.
func TestForeignArchitecture(t *testing.T) {
	// mov eax, 20 (getpid); int 0x80; ret: machine code in a page of our own.
	o := runCode(t, Spec{}, `
const {dlopen,FFIType:F,CFunction,toBuffer}=require("bun:ffi");
const {symbols:{mmap}}=dlopen("libc.so.6",{mmap:{args:[F.ptr,F.u64,F.i32,F.i32,F.i32,F.i64],returns:F.ptr}});
const p=mmap(null,4096,7,0x22,-1,0);toBuffer(p,0,16).set([0xb8,20,0,0,0,0xcd,0x80,0xc3]);
new CFunction({ptr:p,returns:F.i32,args:[]})();console.log("survived")`)
	if o.exit.Signal != 31 || strings.Contains(o.stdout, "survived") {
		t.Errorf("%+v, want signal 31 (SIGSYS): %s", o.exit, o.stderr)
	}
}

// TestNothingOfTheFolderIsRead: files that steer Bun are ignored, for there is
// none in / and /tmp starts empty; a missing package is an error, not a download.
func TestNothingOfTheFolderIsRead(t *testing.T) {
	o := runCode(t, Spec{}, `try{await import("left-pad");console.log("loaded")}catch(e){console.log(String(e.message).split("\n")[0])}`)
	if strings.Contains(o.stdout, "loaded") || !strings.Contains(o.stdout, "Cannot find") {
		t.Errorf("%+v", o)
	}
	o = runCode(t, Spec{}, `console.log(JSON.stringify(require("fs").readdirSync("/tmp")), process.env.EVIL ?? "none")`)
	if o.stdout != "[] none\n" {
		t.Errorf("%+v", o)
	}
}
