package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ariacomputecompany/firmware/boot/initramfs"
	"github.com/ariacomputecompany/firmware/boot/kernel"
)

// What the guest consists of besides our own: Debian's kernel and C library, pinned
// as the boot image's kernel is. Bun is pinned by tools/package-lock.json.
var (
	linux = kernel.Pin{Package: "linux-image-6.1.0-56-cloud-arm64", Version: "6.1.192-2", Release: "6.1.0-56-cloud-arm64",
		SHA256: "481ab54a27246579aadeb372315c56de02f2fe0cba4e09b387946269fff2f415", Arch: "arm64"}
	libc = kernel.Pin{Package: "libc6", Version: "2.36-9+deb12u14",
		SHA256: "01f4330719fd4f65580e16ea5a0527f372fca750e8f588d26deaf09f2d3b1cf4", Arch: "arm64"}
)

// guest is what QEMU boots.
type guest struct{ kernel, initrd string }

// prepare fetches what is not in work yet, builds the tests for arm64 and packs
// all of it into the machine's first root.
func prepare(ctx context.Context, work string) (guest, error) {
	work, err := filepath.Abs(work)
	if err != nil {
		return guest{}, err
	}
	stage := filepath.Join(work, "root")
	if err := errors.Join(os.RemoveAll(stage), os.MkdirAll(stage, 0o755)); err != nil {
		return guest{}, err
	}
	g := guest{kernel: filepath.Join(work, "vmlinuz"), initrd: filepath.Join(work, "initrd")}
	for _, do := range []func() error{
		func() error { return g.fetchKernel(ctx, work) },
		func() error { return fetchLibraries(ctx, work, stage) },
		func() error { return fetchBun(ctx, work, stage) },
		func() error { return buildSuites(ctx, stage) },
		func() error { return g.pack(stage) },
	} {
		if err := do(); err != nil {
			return guest{}, err
		}
	}
	return g, nil
}

// fetch takes a package from the archive, through lists of arm64 of its own:
// the machine's apt knows nothing of that architecture.
func fetch(ctx context.Context, p kernel.Pin, work string) (string, error) {
	folder := filepath.Join(work, "debian")
	if _, err := os.Stat(p.File(folder)); err == nil {
		return p.Fetch(folder)
	}
	apt := filepath.Join(work, "apt")
	status := filepath.Join(apt, "status")
	options := []string{"-o", "APT::Architecture=arm64", "-o", "APT::Architectures=arm64", "-o", "Dir::State=" + apt, "-o", "Dir::State::status=" + status,
		"-o", "Dir::Cache=" + apt, "-o", "APT::Sandbox::User=root"}
	if _, err := os.Stat(status); err != nil {
		if err := os.MkdirAll(filepath.Join(apt, "lists/partial"), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(status, nil, 0o644); err != nil {
			return "", err
		}
		fmt.Println("arm64-test: fetching Debian's lists of arm64 (once)")
		if err := command(ctx, "", nil, "apt-get", append(options, "update", "-qq")...); err != nil {
			return "", errors.Join(err, os.Remove(status))
		}
	}
	return p.Fetch(folder, options...)
}

func (g guest) fetchKernel(ctx context.Context, work string) error {
	file, err := fetch(ctx, linux, work)
	if err != nil {
		return err
	}
	files, err := linux.Open(file)
	if err != nil {
		return err
	}
	return os.WriteFile(g.kernel, files.Image, 0o644)
}

func fetchLibraries(ctx context.Context, work, stage string) error {
	file, err := fetch(ctx, libc, work)
	if err != nil {
		return err
	}
	return command(ctx, "", nil, "dpkg-deb", "-x", file, stage)
}

// fetchBun has npm take the Bun of the other architecture from the same lock file.
func fetchBun(ctx context.Context, work, stage string) error {
	tools := filepath.Join(work, "tools")
	for _, name := range []string{"package.json", "package-lock.json"} {
		if err := copyFile(filepath.Join("tools", name), filepath.Join(tools, name), 0o644); err != nil {
			return err
		}
	}
	bun := filepath.Join(tools, "node_modules/@oven/bun-linux-aarch64/bin/bun")
	if _, err := os.Stat(bun); err != nil {
		fmt.Println("arm64-test: fetching the pinned Bun for arm64 from npm (about 100 MB, once)")
		if err := command(ctx, tools, nil, "npm", "ci", "--cpu=arm64", "--os=linux", "--libc=glibc", "--no-fund", "--no-audit", "--loglevel=error"); err != nil {
			return err
		}
	}
	return copyFile(bun, filepath.Join(stage, "bin/bun"), 0o755)
}

// buildSuites builds init and the tests, and writes the list that init works off.
func buildSuites(ctx context.Context, stage string) error {
	fmt.Println("arm64-test: building Quilt's tests for arm64")
	env := []string{"GOARCH=arm64", "GOOS=linux", "CGO_ENABLED=0"}
	if err := command(ctx, "", env, "go", "build", "-o", filepath.Join(stage, "init"), "./test/cmd/arm64/init"); err != nil {
		return err
	}
	var list strings.Builder
	for _, s := range suites {
		to := filepath.Join(stage, "suite", s.dir)
		if err := command(ctx, "", env, "go", "test", "-c", "-o", filepath.Join(to, "test"), "./"+s.dir); err != nil {
			return err
		}
		for _, f := range s.files {
			if err := os.CopyFS(filepath.Join(to, f), os.DirFS(filepath.Join(s.dir, f))); err != nil {
				return err
			}
		}
		fmt.Fprintf(&list, "%s -test.run=%s\n", s.dir, s.match)
	}
	if err := copyFile("sdk/dist/harness.js", filepath.Join(stage, "suite/sdk/dist/harness.js"), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(stage, "suite/list"), []byte(list.String()), 0o644)
}

// pack writes the first root. Links become what they lead to.
func (g guest) pack(stage string) error {
	list := []initramfs.File{{Path: "dev/", Mode: 0o755}, {Path: "dev/console", Mode: 0o600, Device: &[2]uint32{5, 1}}}
	for _, dir := range []string{"proc/", "sys/", "tmp/", "root/"} {
		list = append(list, initramfs.File{Path: dir, Mode: 0o755})
	}
	err := filepath.WalkDir(stage, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(stage, path)
		if err != nil || rel == "." {
			return err
		}
		if rel == "usr" { // what Debian's packages have there is not needed
			return fs.SkipDir
		}
		if d.IsDir() {
			list = append(list, initramfs.File{Path: rel + "/", Mode: 0o755})
			return nil
		}
		b, err := os.ReadFile(path)
		list = append(list, initramfs.File{Path: rel, Mode: 0o755, Data: b})
		return err
	})
	if err != nil {
		return err
	}
	f, err := os.Create(g.initrd)
	if err != nil {
		return err
	}
	return errors.Join(initramfs.WritePlain(f, list), f.Close())
}

func copyFile(from, to string, mode os.FileMode) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, b, mode)
}
