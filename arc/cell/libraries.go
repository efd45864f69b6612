package cell

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
)

// libraries are the files that the kernel and the loader open before a program
// begins: its interpreter and the shared libraries it is linked with, by the
// path under which they are looked for.
func libraries(program string) (map[string][]byte, error) {
	out := map[string][]byte{}
	interp, needs, err := linked(program)
	if err != nil || interp == "" {
		return out, err
	}
	if err := take(out, interp, interp); err != nil {
		return nil, err
	}
	folders := []string{filepath.Dir(interp)}
	if real, err := filepath.EvalSymlinks(interp); err == nil {
		folders = append(folders, filepath.Dir(real))
	}
	folders = append(folders, "/lib64", "/usr/lib64", "/lib", "/usr/lib")
	for seen := map[string]bool{}; len(needs) > 0; needs = needs[1:] {
		name := needs[0]
		if seen[name] {
			continue
		}
		seen[name] = true
		at, err := find(name, folders)
		if err != nil {
			return nil, err
		}
		// The loader looks in /lib, whatever folder the machine keeps it in.
		if err := take(out, "/lib/"+name, at); err != nil {
			return nil, err
		}
		_, more, err := linked(at)
		if err != nil {
			return nil, err
		}
		needs = append(needs, more...)
	}
	return out, nil
}

func linked(path string) (interp string, needs []string, err error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz > 1 && p.Filesz < 4096 {
			raw := make([]byte, p.Filesz-1) // without the NUL
			if _, err := p.ReadAt(raw, 0); err != nil {
				return "", nil, fmt.Errorf("%s: %w", path, err)
			}
			interp = string(raw)
		}
	}
	needs, err = f.ImportedLibraries()
	return interp, needs, err
}

func find(name string, folders []string) (string, error) {
	for _, dir := range folders {
		if at := filepath.Join(dir, name); name == filepath.Base(name) {
			if _, err := os.Stat(at); err == nil {
				return at, nil
			}
		}
	}
	return "", fmt.Errorf("the library %s was not found in %v", name, folders)
}

func take(out map[string][]byte, as, path string) error {
	data, err := os.ReadFile(path)
	if err == nil {
		out[as] = data
	}
	return err
}
