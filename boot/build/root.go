package build

import (
	"bufio"
	"debug/buildinfo"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/ariacomputecompany/firmware/boot/layout"
	"github.com/ariacomputecompany/firmware/boot/verity"
	"github.com/ariacomputecompany/firmware/firmware"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/image"
	"github.com/ariacomputecompany/firmware/sdk"
)

// rootImage is slot/root.img.
type rootImage struct {
	hash string // of the dm-verity tree, hex
	size int64  // bytes of squashfs before the tree
}

// folders of root that are mounted over or linked to.
var folders = []string{"aria", "bin", "data", "dev", "etc", "lib64", "proc", "run", "sbin", "sys", "tmp"}

// texts of /etc. There is no shell to log in to and no password.
var texts = map[string]string{
	"etc/passwd": "root:x:0:0::/:/bin/false\naria:x:64101:64101::/nonexistent:/bin/false\nquilt:x:64102:64102::/nonexistent:/bin/false\n",
	"etc/group":  "root:x:0:\naria:x:64101:\nquilt:x:64102:\n",
	"etc/hosts":  "127.0.0.1 localhost\n",
	"etc/mke2fs.conf": "[defaults]\n\tbase_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr\n\tblocksize = 4096\n\tinode_size = 256\n\tinode_ratio = 16384\n" +
		"[fs_types]\n\text4 = {\n\t\tfeatures = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize\n\t}\n",
}

const caBundle = "/etc/ssl/certs/ca-certificates.crt"

// makeRoot stages root's files, packs them and appends the hash tree.
func makeRoot(o Options) (rootImage, error) {
	stage, err := os.MkdirTemp(o.Out, ".root-")
	if err != nil {
		return rootImage{}, err
	}
	defer os.RemoveAll(stage)
	if err := os.Chmod(stage, 0o755); err != nil {
		return rootImage{}, err
	}
	if err := stageRoot(o, stage); err != nil {
		return rootImage{}, err
	}
	file := filepath.Join(o.Out, "slot", "root.img")
	if err := os.RemoveAll(file); err != nil {
		return rootImage{}, err
	}
	if err := run("mksquashfs", stage, file, "-noappend", "-all-root", "-no-xattrs",
		"-comp", "zstd", "-Xcompression-level", strconv.Itoa(o.Level), "-b", "131072", "-no-progress", "-quiet"); err != nil {
		return rootImage{}, err
	}
	return appendTree(file)
}

func stageRoot(o Options, stage string) error {
	for _, d := range folders {
		if err := os.MkdirAll(filepath.Join(stage, d), 0o755); err != nil {
			return err
		}
	}
	if err := stagePrograms(o, stage); err != nil {
		return err
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(stage, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := stageIdentity(o, stage); err != nil {
		return err
	}
	if err := os.Symlink("/run/resolv.conf", filepath.Join(stage, "etc/resolv.conf")); err != nil {
		return err
	}
	if err := copyFile(caBundle, filepath.Join(stage, caBundle), 0o644); err != nil {
		return fault.Wrap(err, fault.NotFound, "there are no certificates at %s", caBundle).WithHint("apt-get install ca-certificates")
	}
	for _, tool := range []string{"mke2fs", "e2fsck"} {
		if err := copyProgram("/sbin/"+tool, stage); err != nil {
			return fault.Wrap(err, fault.NotFound, "%s cannot be taken from this machine", tool).WithHint("apt-get install e2fsprogs")
		}
	}
	return stageImage(o, stage)
}

// stagePrograms copies the three programs. The embedding file is larger than all else in
// the daemons and cannot be compressed: those that were built without it share one.
func stagePrograms(o Options, stage string) error {
	daemons := o.Daemons
	if daemons == "" {
		daemons = o.Bin
	}
	shared := false
	for _, p := range []struct{ name, dir string }{{"arc", o.Bin}, {"ariad", daemons}, {"quiltd", daemons}} {
		from := filepath.Join(p.dir, p.name)
		if err := copyFile(from, filepath.Join(stage, "bin", p.name), 0o755); err != nil {
			return fault.Wrap(err, fault.NotFound, "there is no %s in %s", p.name, p.dir).WithHint("make build")
		}
		shared = shared || sharesModel(from)
	}
	if !shared {
		return nil
	}
	if err := copyFile(o.Model, filepath.Join(stage, layout.Model), 0o644); err != nil {
		return fault.Wrap(err, fault.NotFound, "there is no embedding file at %s", o.Model).WithHint("it is llm/embed/use.bin; name it with -model")
	}
	return nil
}

// sharesModel reads the tags that a program was built with.
func sharesModel(program string) bool {
	info, err := buildinfo.ReadFile(program)
	return err == nil && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool {
		return s.Key == "-tags" && slices.Contains(strings.Split(s.Value, ","), "ariaimage")
	})
}

// stageIdentity bakes in whose updates are taken, and what root belongs to: two
// versions that differ in init or kernel alone must not have one root hash, for
// init finds its slot by it.
func stageIdentity(o Options, stage string) error {
	about := map[string]string{"version": o.Version}
	for _, name := range []string{"vmlinuz", "initrd"} {
		sum, _, err := hashFile(filepath.Join(o.Out, name))
		if err != nil {
			return err
		}
		about[name] = sum
	}
	text, err := json.Marshal(about)
	if err != nil {
		return err
	}
	dir := filepath.Join(stage, filepath.Dir(layout.FirmwareKeys))
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "image.json"), append(text, '\n'), 0o644)); err != nil {
		return err
	}
	if o.FirmwareKey == "" {
		return nil
	}
	if _, err := firmware.ReadPublic(o.FirmwareKey); err != nil {
		return err
	}
	return copyFile(o.FirmwareKey, filepath.Join(stage, layout.FirmwareKeys), 0o644)
}

// stageImage makes the container image where quiltd uses it.
func stageImage(o Options, stage string) error {
	bun := filepath.Join(o.Bin, "bun")
	out, err := exec.Command(bun, "--version").Output()
	if err != nil {
		return fault.Wrap(err, fault.NotFound, "there is no bun in %s", o.Bin).WithHint("make setup")
	}
	// The machine's own loader can run it too, as quiltd does to ask its version.
	if err := copyLibraries(bun, stage); err != nil {
		return err
	}
	cache := stage + "-image"
	defer os.RemoveAll(cache)
	img, err := image.Build(image.Config{Bun: bun, Harness: sdk.Harness(), CacheDir: cache})
	if err != nil {
		return err
	}
	if err := os.Rename(img.Dir, filepath.Join(stage, layout.ImageDir)); err != nil {
		return err
	}
	about, err := json.Marshal(image.About{Digest: img.Digest, Bun: strings.TrimSpace(string(out))})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(stage, layout.ImageDir+".json"), append(about, '\n'), 0o644)
}

// appendTree puts the dm-verity tree behind the squashfs.
func appendTree(file string) (rootImage, error) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return rootImage{}, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return rootImage{}, err
	}
	size = (size + verity.Block - 1) / verity.Block * verity.Block
	if err := f.Truncate(size); err != nil {
		return rootImage{}, err
	}
	w := bufio.NewWriter(io.NewOffsetWriter(f, size))
	sum, err := verity.Append(w, io.NewSectionReader(f, 0, size), size)
	if err := errors.Join(err, w.Flush()); err != nil {
		return rootImage{}, err
	}
	if end, err := f.Seek(0, io.SeekEnd); err != nil || end > layout.RootSize {
		return rootImage{}, errors.Join(fmt.Errorf("root has %d MB, a slot holds %d", end>>20, layout.RootSize>>20), err)
	}
	return rootImage{hash: hex.EncodeToString(sum[:]), size: size}, nil
}

// copyProgram copies a program of this machine with its loader and libraries.
func copyProgram(path, stage string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if err := copyFile(real, filepath.Join(stage, "sbin", filepath.Base(path)), 0o755); err != nil {
		return err
	}
	return copyLibraries(real, stage)
}

// copyLibraries copies the loader and the libraries of a program.
func copyLibraries(program, stage string) error {
	seen := map[string]bool{}
	for todo := []string{program}; len(todo) > 0; todo = todo[1:] {
		f, err := elf.Open(todo[0])
		if err != nil {
			return err
		}
		libs, err := f.ImportedLibraries()
		f.Close()
		if err != nil {
			return err
		}
		for _, lib := range append(libs, "ld-linux-x86-64.so.2") {
			if seen[lib] {
				continue
			}
			seen[lib] = true
			from, err := findLibrary(lib)
			if err != nil {
				return err
			}
			to := filepath.Join(stage, "lib/x86_64-linux-gnu", lib) // where Debian's loader looks
			if strings.HasPrefix(lib, "ld-linux") {
				to = filepath.Join(stage, "lib64", lib)
			}
			if err := copyFile(from, to, 0o755); err != nil {
				return err
			}
			todo = append(todo, from)
		}
	}
	return nil
}

func findLibrary(name string) (string, error) {
	for _, dir := range []string{"/lib64", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib64"} {
		if p, err := filepath.EvalSymlinks(filepath.Join(dir, name)); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("library %s: %w", name, os.ErrNotExist)
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), os.Chmod(to, mode))
}
