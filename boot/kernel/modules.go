package kernel

import (
	"bytes"
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Module is one .ko file and what it says of itself.
type Module struct {
	Name    string // dashes as underscores
	Data    []byte
	Depends []string
	Before  []string // like Depends, but may be missing
	Aliases []string // of the devices it drives
}

// readModule reads the .modinfo section: strings "key=value".
func readModule(file string, data []byte) (Module, error) {
	m := Module{Name: canonical(strings.TrimSuffix(file, ".ko")), Data: data}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return m, fmt.Errorf("module %s: %w", file, err)
	}
	s := f.Section(".modinfo")
	if s == nil {
		return m, fmt.Errorf("module %s says nothing of itself", file)
	}
	info, err := s.Data()
	if err != nil {
		return m, fmt.Errorf("module %s: %w", file, err)
	}
	for line := range strings.SplitSeq(string(info), "\x00") {
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "depends":
			for d := range strings.SplitSeq(value, ",") {
				if d != "" {
					m.Depends = append(m.Depends, canonical(d))
				}
			}
		case "softdep":
			m.Before = append(m.Before, softBefore(value)...)
		case "alias":
			m.Aliases = append(m.Aliases, value)
		}
	}
	return m, nil
}

// softBefore reads "pre: a b post: c": what should be loaded first, if there
// is such a module (modprobe.d(5)).
func softBefore(value string) (out []string) {
	pre := false
	for w := range strings.FieldsSeq(value) {
		switch {
		case strings.HasSuffix(w, ":"):
			pre = w == "pre:"
		case pre:
			out = append(out, canonical(w))
		}
	}
	return out
}

func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }

// Always is what every machine loads; Drivers what is loaded for hardware that is
// there; Disks the same, but only where the disk was not found without them: no
// other disk is ever used, and a driver that is not there has no holes.
var (
	Always = []string{"sha256_ssse3", "dm_verity", "squashfs", "crc32c_generic", "crc32c_intel", "ext4", "vfat", "nls_cp437", "nls_ascii", "softdog", "evdev"}

	Drivers = []string{
		"virtio_pci", "virtio_mmio", "virtio_blk", "virtio_scsi", "virtio_net", "virtio_rng", // QEMU, KVM, most clouds
		"ena", "gve", "ixgbevf", // Amazon, Google
		"hv_vmbus", "hv_storvsc", "hv_netvsc", "pci_hyperv", // Microsoft
		"xen_blkfront", "xen_netfront",
		"vmw_pvscsi", "vmxnet3", // VMware
		"nvme", "sd_mod",
		"e1000", "e1000e", "igb", "igc", "r8169", "tg3", // network of PCs
		"ixgbe", "i40e", "bnxt_en", // of servers
		"button",               // the power button, read through evdev
		"efi_pstore",           // keeps a panic's last words
		"i6300esb", "wdat_wdt", // hardware watchdogs
		"iTCO_wdt", "sp5100_tco",
	}

	Disks = []string{
		"ahci", "ata_piix", // of PCs
		"megaraid_sas", "mpt3sas", "sdhci_pci", "sdhci_acpi", "mmc_block", // of servers, of small boards
		"xhci_pci", "ehci_pci", "usb_storage", "uas", // USB sticks
	}
)

// Step is one module in load order.
type Step struct {
	Module Module
	// When is "always", "device" or "disk"; "needed" because a later one needs it.
	When    string
	Aliases []string // of the devices that call for it
	Depends []string
}

// Order resolves what the image needs into load order: whatever a module needs
// stands before it. Modules that this kernel has built in are left out.
func (f *Files) Order(always, drivers, disks []string) ([]Step, error) {
	var out []Step
	done := map[string]bool{}
	var add func(name string, trail []string) error
	add = func(name string, trail []string) error {
		m, ok := f.Modules[name]
		if done[name] || !ok && len(trail) == 0 {
			return nil // there already, or built into the kernel
		}
		if !ok || slices.Contains(trail, name) {
			return fault.New(fault.Invalid, "kernel module %s, which %s needs, is missing or needs itself", name, strings.Join(trail, ", "))
		}
		needs := slices.Clone(m.Depends)
		for _, d := range m.Before {
			if _, there := f.Modules[d]; there && !slices.Contains(needs, d) {
				needs = append(needs, d)
			}
		}
		for _, d := range needs {
			if err := add(d, append(trail, name)); err != nil {
				return err
			}
		}
		done[name] = true
		s := Step{Module: m, When: "needed", Depends: needs}
		switch {
		case slices.Contains(always, name):
			s.When = "always"
		case slices.Contains(drivers, name):
			s.When, s.Aliases = "device", m.Aliases
		case slices.Contains(disks, name):
			s.When, s.Aliases = "disk", m.Aliases
		}
		out = append(out, s)
		return nil
	}
	for _, name := range slices.Concat(always, drivers, disks) {
		if err := add(name, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// List is the text that init reads, one line per module in load order: name,
// when, what it needs (comma-separated or "-"), then its aliases.
func List(steps []Step) []byte {
	var b bytes.Buffer
	for _, s := range steps {
		needs := strings.Join(s.Depends, ",")
		if needs == "" {
			needs = "-"
		}
		fmt.Fprintf(&b, "%s %s %s %s\n", s.Module.Name, s.When, needs, strings.Join(s.Aliases, " "))
	}
	return b.Bytes()
}
