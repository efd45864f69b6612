package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// module copies a Go module to a folder that can be written to.
func module(name, dir string) error {
	out, err := exec.Command("go", "mod", "download", "-json", name).Output()
	var got struct{ Dir, Error string }
	if e := json.Unmarshal(out, &got); e != nil || got.Dir == "" {
		return fmt.Errorf("%s cannot be fetched: %v %s", name, err, got.Error)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	return command("", "sh", "-c", `cp -r "$1" "$2" && chmod -R u+w "$2"`, "sh", got.Dir, dir)
}

// build compiles packages of a suite by its own go.mod.
func build(dir, to string, packages ...string) error {
	return compile(dir, []string{"CGO_ENABLED=0"}, append([]string{"build", "-p", "2", "-o", to}, packages...)...)
}

// compile runs go with the environment added.
func compile(dir string, env []string, args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), append(env, "GOFLAGS=-mod=mod -buildvcs=false", "GOWORK=off")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %v: %w\n%s", args, err, out)
	}
	return nil
}

func command(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// runTools builds and runs the programs of runtime-tools' validation.
func runTools(runtime, work, only string) ([]result, error) {
	dir := filepath.Join(work, "runtime-tools")
	if err := module(toolsModule, dir); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(filepath.Join(dir, "vendor")); err != nil { // a module's archive holds but a part of it
		return nil, err
	}
	if err := build(dir, "runtimetest", "./cmd/runtimetest"); err != nil {
		return nil, err
	}
	programs := filepath.Join(dir, "programs") + "/"
	if err := build(dir, programs, "./validation/..."); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(programs)
	if err != nil {
		return nil, err
	}
	var out []result
	for _, e := range entries {
		if strings.Contains("runtime-tools "+e.Name(), only) {
			text, code := execute(dir, 3*time.Minute, []string{"RUNTIME=" + runtime}, filepath.Join(programs, e.Name()))
			if err := keep(work, "runtime-tools-"+e.Name(), text); err != nil {
				return nil, err
			}
			out = append(out, readTAP("runtime-tools", e.Name(), text, code))
		}
	}
	return out, nil
}

// runBats runs runc's integration tests.
func runBats(runtime, work, only string) ([]result, error) {
	dir := filepath.Join(work, "runc")
	if err := module(runcModule, dir); err != nil {
		return nil, err
	}
	tests := filepath.Join(dir, "tests", "integration")
	for _, tool := range []string{"recvtty", "sd-helper", "fs-idmap", "pidfd-kill", "remap-rootfs", "key_label"} {
		if err := build(dir, "tests/cmd/_bin/", "./tests/cmd/"+tool); err != nil {
			return nil, err
		}
	}
	// The agent that decides about system calls binds libseccomp.
	if err := compile(dir, []string{"CGO_ENABLED=1"}, "build", "-p", "2", "-tags", "seccomp", "-o", "tests/cmd/_bin/", "./tests/cmd/seccompagent"); err != nil {
		return nil, err
	}
	if err := images(filepath.Join(tests, "testdata"), work); err != nil {
		return nil, err
	}
	if err := command(tests, "sh", "-c", "chmod +x *.sh ../cmd/*/*.sh"); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(tests, "*.bats"))
	if err != nil {
		return nil, err
	}
	var out []result
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".bats")
		if strings.Contains("bats "+name, only) {
			text, code := execute(tests, 10*time.Minute, []string{"RUNC=" + runtime}, "bats", "--tap", f)
			if err := keep(work, "bats-"+name, text); err != nil {
				return nil, err
			}
			out = append(out, readTAP("bats", name, text, code))
		}
	}
	return out, nil
}

// images makes the two roots that the tests want: one of busybox alone, one of
// what this Debian has installed.
func images(dir, work string) error {
	const busybox = `set -e; rm -rf "$1"; mkdir -p "$1/bin" "$1/dev" "$1/etc" "$1/home" "$1/root" "$1/tmp" "$1/var/spool"; cd "$1"
chmod 1777 tmp; cp "$(command -v busybox)" bin/busybox
for a in $(busybox --list); do [ "$a" = busybox ] || ln bin/busybox "bin/$a"; done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >etc/passwd
printf 'root:x:0:\ntty:x:5:\nusers:x:100:\nnobody:x:65534:\n' >etc/group
tar -cf - . | xz -0 >"$2"`
	if err := command("", "sh", "-c", busybox, "sh", filepath.Join(work, "busybox"), filepath.Join(dir, "busybox-amd64.tar.xz")); err != nil {
		return err
	}
	const debian = `set -e; cd /; { for p in base-files base-passwd bash coreutils dash debianutils diffutils findutils grep gzip hostname libacl1 \
libattr1 libblkid1 libc-bin libc6 libcap-ng0 libcap2 libcrypt1 libgcc-s1 libgmp10 libmount1 libpcre2-8-0 libselinux1 libsmartcols1 \
libssl3 libtinfo6 libudev1 libuuid1 login mount mawk procps libproc2-0 libsystemd0 libzstd1 liblz4-1 liblzma5 libgcrypt20 \
libgpg-error0 sed tar util-linux util-linux-extra zlib1g attr; do dpkg -L $p 2>/dev/null; done
printf '%s\n' /bin /sbin /lib /lib64 /etc/ld.so.cache /etc/passwd /etc/group; find /etc/alternatives; } | sed -E 's,^/(bin|sbin|lib|lib64)/,/usr/\1/,' | sort -u | grep -v -e '^/\.$' -e /usr/share/ |
while read -r f; do if [ -e "$f" ] || [ -L "$f" ]; then echo "$f"; fi; done | tar --no-recursion -cf - -T - 2>/dev/null | xz -0 >"$1"`
	return command("", "bash", "-c", debian, "bash", filepath.Join(dir, "debian-amd64.tar.xz"))
}

// execute runs a program and returns what it printed and its exit code.
func execute(dir string, limit time.Duration, env []string, name string, args ...string) (string, int) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, append(os.Environ(), env...), 5*time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return string(out) + "\nnot ok - did not end within " + limit.String(), 1
	}
	if err != nil && cmd.ProcessState == nil {
		return err.Error(), 1
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// keep writes what a program printed where a person can read it afterwards.
func keep(work, name, text string) error {
	dir := filepath.Join(work, "log")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".txt"), []byte(text), 0o644)
}

// readTAP counts the lines of the Test Anything Protocol. A program that failed
// without saying what has failed as one.
func readTAP(suite, program, text string, code int) result {
	r := result{suite: suite, program: program}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "ok ") && strings.Contains(strings.ToLower(line), "# skip"):
			r.skipped++
		case strings.HasPrefix(line, "ok"):
			r.passed++
		case strings.HasPrefix(line, "not ok"):
			r.failed = append(r.failed, line)
		}
	}
	if code != 0 && len(r.failed) == 0 {
		last := strings.Split(strings.TrimSpace(text), "\n")
		r.failed = append(r.failed, fmt.Sprintf("exit code %d: %s", code, last[len(last)-1]))
	}
	return r
}
