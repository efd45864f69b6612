package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// libFolders is where loaders look by default on the common distributions. A library
// for another machine that lies there is passed over.
func libFolders() []string {
	triplet := machines[runtime.GOARCH].triplet
	return []string{"/lib64", "/lib/" + triplet, "/usr/lib/" + triplet, "/usr/lib64", "/lib", "/usr/lib"}
}

// machines says by GOARCH which binaries run there, and how Debian names the folder
// of its libraries.
var machines = map[string]struct {
	elf     elf.Machine
	triplet string
}{
	"amd64": {elf.EM_X86_64, "x86_64-linux-gnu"},
	"arm64": {elf.EM_AARCH64, "aarch64-linux-gnu"},
}

// caBundles are the usual places; the first that exists is taken.
var caBundles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}

// etc holds no host's data. Bun resolves "localhost" through hosts and
// nsswitch.conf, and looks up its user's name.
var etc = map[string]string{
	"passwd":        "aria:x:1000:1000::/tmp:/bin/false\n",
	"group":         "aria:x:1000:\n",
	"hosts":         "127.0.0.1 localhost\n::1 localhost\n",
	"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}

// CAPath is where Config.CA lies in the image.
const CAPath = "/aria/ca.pem"

// contents lists the image in lexical order of path, parents included.
func contents(cfg Config) ([]file, error) {
	if cfg.Base.Dir == "" {
		return ownContents(cfg)
	}
	base, err := listBase(cfg.Base.Dir)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the imported image %q is damaged", cfg.Base.Name).WithHint("remove it and import it again")
	}
	return onBase(cfg, base)
}

// ownContents is what every image holds.
func ownContents(cfg Config) ([]file, error) {
	libs, err := libraries(cfg)
	if err != nil {
		return nil, err
	}
	files := []file{
		{path: "bin/bun", mode: 0o755, source: cfg.Bun},
		{path: "aria/harness.js", mode: 0o644, bytes: cfg.Harness},
		{path: "dev", mode: 0o755, dir: true},
		{path: "proc", mode: 0o755, dir: true},
		{path: "tmp", mode: 0o755, dir: true},
	}
	if cfg.CA != "" {
		files = append(files, file{path: strings.TrimPrefix(CAPath, "/"), mode: 0o644, source: cfg.CA})
	}
	for name, text := range etc {
		files = append(files, file{path: "etc/" + name, mode: 0o644, bytes: []byte(text)})
	}
	for _, b := range caBundles {
		if info, err := os.Stat(b); err == nil && info.Mode().IsRegular() {
			files = append(files, file{path: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, source: b})
			break
		}
	}
	return withFolders(append(files, libs...)), nil
}

// libraries finds the loader and, through every DT_NEEDED, the libraries. Each
// keeps the path it was found at, for that is where this loader searches; what
// is a link on the host is a file here.
func libraries(cfg Config) ([]file, error) {
	interp, needed, err := readELF(cfg.Bun)
	if errors.Is(err, errOtherMachine) {
		return nil, fault.Wrap(err, fault.Unavailable, "%s is a bun for another machine than this one (%s)", cfg.Bun, runtime.GOARCH).
			WithHint("point the bun setting at a Bun for this machine (make setup fetches one)")
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "%s is not a bun binary that can be used", cfg.Bun).
			WithHint("point the bun setting at a Bun for this machine (make setup fetches one)")
	}
	var out []file
	seen := map[string]bool{}
	if interp != "" {
		out = append(out, file{path: strings.TrimPrefix(interp, "/"), mode: 0o755, source: interp})
		seen[path.Base(interp)] = true
	}
	folders := cfg.Libs
	if folders == nil {
		folders = libFolders()
	}
	for len(needed) > 0 {
		name := needed[0]
		needed = needed[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		src, more, err := findLibrary(name, folders)
		if err != nil {
			return nil, err
		}
		out = append(out, file{path: strings.TrimPrefix(filepath.ToSlash(src), "/"), mode: 0o755, source: src})
		needed = append(needed, more...)
	}
	return out, nil
}

func findLibrary(name string, folders []string) (src string, needed []string, err error) {
	for _, dir := range folders {
		src := filepath.Join(dir, name)
		if _, more, err := readELF(src); err == nil {
			return src, more, nil
		}
	}
	return "", nil, fault.New(fault.Unavailable, "bun needs the shared library %s, which is not on this host", name).
		WithHint("install the C library (glibc); looked in %s", strings.Join(folders, ", "))
}

var errOtherMachine = errors.New("a binary for another machine")

// readELF returns the loader and the direct needs of a binary for this machine.
func readELF(path string) (interp string, needed []string, err error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	if f.Class != elf.ELFCLASS64 || f.Machine != machines[runtime.GOARCH].elf {
		return "", nil, fmt.Errorf("%s: %w: %s", path, errOtherMachine, f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err != nil {
			return "", nil, err
		}
		interp = strings.TrimRight(string(b), "\x00")
	}
	needed, err = f.ImportedLibraries()
	return interp, needed, err
}

// withFolders adds the parents and sorts the way filepath.WalkDir walks.
func withFolders(files []file) []file {
	have := map[string]bool{}
	for _, f := range files {
		have[f.path] = true
	}
	for _, f := range slices.Clone(files) {
		for dir := path.Dir(f.path); dir != "."; dir = path.Dir(dir) {
			if !have[dir] {
				have[dir] = true
				files = append(files, file{path: dir, mode: fs.FileMode(0o755), dir: true})
			}
		}
	}
	slices.SortFunc(files, func(a, b file) int {
		return slices.Compare(strings.Split(a.path, "/"), strings.Split(b.path, "/"))
	})
	return files
}
