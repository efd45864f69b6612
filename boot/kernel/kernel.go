// Package kernel takes Debian's kernel package, pinned by version and hash,
// and picks what the image needs of it: the kernel and a few modules in the
// order in which they load. It builds nothing and installs nothing.
package kernel

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Pin names one package to the byte.
type Pin struct {
	Package string
	Version string // Debian's
	Release string // uname -r
	SHA256  string
	Arch    string // Debian's; empty: amd64
}

// Generic is Debian's kernel for every machine: virtual ones, servers, and what
// boots from a USB stick.
var Generic = Pin{
	Package: "linux-image-6.1.0-56-amd64", Version: "6.1.192-2", Release: "6.1.0-56-amd64",
	SHA256: "a86e2049672f52354c4536a089203b6c82639420424d31c91cf31a181fd4d8f1",
}

// File is where Fetch keeps the package in folder.
func (p Pin) File(folder string) string {
	arch := p.Arch
	if arch == "" {
		arch = "amd64"
	}
	return filepath.Join(folder, fmt.Sprintf("%s_%s_%s.deb", p.Package, p.Version, arch))
}

// Fetch returns the package file, from folder if it lies there, else from the
// machine's Debian archive through apt. The hash is checked either way.
// options are apt's, for a package of another architecture than the machine's.
func (p Pin) Fetch(folder string, options ...string) (string, error) {
	file := p.File(folder)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return "", fmt.Errorf("kernel: %w", err)
		}
		cmd := exec.Command("apt-get", append(options, "download", "-qq", p.Package+"="+p.Version)...)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fault.Wrap(fmt.Errorf("%w: %s", err, out), fault.NotFound, "the Debian archive does not serve %s %s", p.Package, p.Version).
				WithHint("run apt-get update; if the archive has moved on, put %s into %s (snapshot.debian.org keeps every version) or raise the pin in boot/kernel/kernel.go", filepath.Base(file), folder)
		}
	}
	sum, err := hashFile(file)
	if err != nil {
		return "", err
	}
	if sum != p.SHA256 {
		return "", fault.New(fault.Denied, "%s has the sha256 %s, not %s as pinned", file, sum, p.SHA256).
			WithHint("remove the file and try again; if it comes back, the archive serves something else than was reviewed")
	}
	return file, nil
}

func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("kernel: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("kernel: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Files are what Open found.
type Files struct {
	Image   []byte            // vmlinuz
	Modules map[string]Module // by name, dashes as underscores
}

// Open reads kernel and modules out of a package file.
func (p Pin) Open(file string) (*Files, error) {
	cmd := exec.Command("dpkg-deb", "--fsys-tarfile", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "dpkg-deb is not here").WithHint("images are built on Debian or Ubuntu")
	}
	files, err := p.unpack(tar.NewReader(out))
	_, _ = io.Copy(io.Discard, out)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return nil, fmt.Errorf("kernel package: %w", err)
	}
	if files.Image == nil {
		return nil, fmt.Errorf("%s has no /boot/vmlinuz-%s", file, p.Release)
	}
	return files, nil
}

func (p Pin) unpack(r *tar.Reader) (*Files, error) {
	files := &Files{Modules: map[string]Module{}}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		module := strings.HasSuffix(h.Name, ".ko")
		if h.Typeflag != tar.TypeReg || !module && path.Base(h.Name) != "vmlinuz-"+p.Release {
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if !module {
			files.Image = b
			continue
		}
		m, err := readModule(path.Base(h.Name), b)
		if err != nil {
			return nil, err
		}
		files.Modules[m.Name] = m
	}
}
