package sandbox

import "testing"

func TestHello(t *testing.T) {
	o := runCode(t, Spec{}, `console.log(process.pid, process.getuid(), 6*7)`)
	t.Logf("%+v", o)
	o = runCode(t, Spec{}, `const fs=require("fs");console.log(process.getuid(),process.pid,require("os").hostname(),fs.readdirSync("/"),fs.readdirSync("/proc"),fs.readdirSync("/dev"),fs.readFileSync("/proc/self/status","utf8"),fs.readFileSync("/proc/self/mountinfo","utf8"),fs.readFileSync("/proc/self/uid_map","utf8"),fs.readFileSync("/proc/self/cgroup","utf8"), fs.readdirSync("/proc/self/fd").map(f=>{try{return f+fs.readlinkSync("/proc/self/fd/"+f)}catch{return f}}));`)
	t.Logf("%+v", o.exit)
	t.Log(o.stdout, o.stderr)
}
