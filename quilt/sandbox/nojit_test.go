package sandbox

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// codeProbes are the ways to memory that can be executed.
func codeProbes(noJIT bool) []attempt {
	want := func(with, without string) string {
		if noJIT {
			return without
		}
		return with
	}
	anon := func(prot int) string {
		b, err := unix.Mmap(-1, 0, 4096, prot, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err == nil {
			_ = unix.Munmap(b)
		}
		return firstError(err)
	}
	file := func(prot int) string {
		fd, err := unix.Open("/bin/attacker", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return firstError(err)
		}
		defer unix.Close(fd)
		_, err = unix.Mmap(fd, 0, 4096, prot, unix.MAP_PRIVATE)
		return firstError(err)
	}
	later := func(make func() ([]byte, error)) string {
		b, err := make()
		if err != nil {
			return "map: " + firstError(err)
		}
		return firstError(unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC))
	}
	return []attempt{
		{34, "code: fresh memory", want("ok", "EPERM"), func() string { return anon(unix.PROT_READ | unix.PROT_EXEC) }},
		{34, "code: fresh memory, written too", want("ok", "EPERM"), func() string { return anon(unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC) }},
		{34, "code: memory without", "ok", func() string { return anon(unix.PROT_READ | unix.PROT_WRITE) }},
		{34, "code: a file of the image", "ok", func() string { return file(unix.PROT_READ | unix.PROT_EXEC) }},
		{34, "code: such a file, written too", want("ok", "EPERM"), func() string { return file(unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC) }},
		{34, "code: memory, later", want("ok", "EPERM"), func() string {
			return later(func() ([]byte, error) {
				return unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
			})
		}},
		{34, "code: a file in memory", want("ok", "EPERM"), func() string {
			fd, err := unix.MemfdCreate("code", unix.MFD_CLOEXEC)
			if err != nil {
				return firstError(err)
			}
			defer unix.Close(fd)
			_, _ = unix.Write(fd, make([]byte, 4096))
			_, err = unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED)
			return firstError(err)
		}},
		{34, "code: the second name of mprotect", "EPERM", func() string { return raw(unix.SYS_PKEY_MPROTECT, 0, 0, 0, 0) }},
	}
}

// codeMain is the attacker's role for them.
func codeMain() {
	got := map[string]string{}
	for _, p := range codeProbes(false) {
		got[p.name] = p.try()
	}
	b, err := json.Marshal(got)
	if err != nil {
		os.Exit(3)
	}
	os.Stdout.Write(b)
}

// Without JIT nothing can make code, and Bun runs as ever, slower.
func TestNoJIT(t *testing.T) {
	for _, spec := range []Spec{{}, {Net: true}, {NoJIT: true}, {NoJIT: true, Net: true}} {
		spec.Argv = attack("code")
		var got map[string]string
		o := runCode(t, spec, "")
		if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
			t.Fatalf("%v: %+v", err, o)
		}
		if _, wrong := judge(got, codeProbes(spec.NoJIT)); len(wrong) > 0 {
			t.Errorf("%+v: %v", spec, wrong)
		}
	}
	const code = `import {createHash} from "node:crypto"; let s=0;for(let i=0;i<3e6;i++)s+=i&7;
const w=new Worker("data:text/javascript,postMessage(/a+b/.exec('xaab')[0])");const m=await new Promise(r=>w.onmessage=e=>r(e.data));w.terminate();
console.log(s,m,createHash("sha256").update("x").digest("hex").slice(0,4),(await WebAssembly.instantiate(new Uint8Array([0,97,115,109,1,0,0,0]))).instance!==undefined);process.exit(0)`
	for _, spec := range []Spec{{}, {NoJIT: true}} {
		o := runCode(t, spec, code)
		if strings.TrimSpace(o.stdout) != "10500000 aab 2d71 true" {
			t.Errorf("NoJIT %s: %q %q %+v", strconv.FormatBool(spec.NoJIT), o.stdout, o.stderr, o.exit)
		}
	}
}
