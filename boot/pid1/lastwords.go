package pid1

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const pstore = "/sys/fs/pstore"

// lastWords are what the kernel of the last start said when it panicked, if it had
// come as far as the driver that keeps it in the firmware's variables (UEFI,
// efi_pstore). They are taken out: those variables are few and small.
func lastWords() string {
	if err := unix.Mount("pstore", pstore, "pstore", quiet, ""); err != nil {
		return ""
	}
	defer func() { _ = unix.Unmount(pstore, 0) }()
	files, _ := filepath.Glob(pstore + "/dmesg-*")
	slices.Sort(files)
	said := ""
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && said == "" {
			said = panicLine(string(b))
		}
		_ = os.Remove(f)
	}
	return said
}

// panicLine finds the sentence in a piece of the kernel's log.
func panicLine(log string) string {
	const mark = "Kernel panic - not syncing: "
	_, rest, ok := strings.Cut(log, mark)
	if !ok {
		return ""
	}
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}
