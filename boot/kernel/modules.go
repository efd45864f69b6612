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
		case "alias":
			m.Aliases = append(m.Aliases, value)
		}
	}
	return m, nil
}

func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }

// Need is one module that the image has: always loaded, or when a device that
// it drives is there.
type Need struct {
	Name     string
	ByDevice bool
}

// Always is what every machine loads; Drivers what is loaded for hardware.
var (
	Always  = []string{"dm_verity", "squashfs", "ext4", "crc32c_intel", "vfat", "nls_cp437", "nls_ascii", "softdog", "evdev"}
	Drivers = []string{
		"virtio_pci", "virtio_mmio", "virtio_blk", "virtio_scsi", "sd_mod", "virtio_net", "virtio_rng", // QEMU, KVM, most clouds
		"ena", "gve", // Amazon, Google
		"hv_vmbus", "hv_storvsc", "hv_netvsc", // Microsoft
		"xen_blkfront", "xen_netfront",
		"button",               // the power button, read through evdev
		"i6300esb", "wdat_wdt", // hardware watchdogs
	}
)

// Step is one module in load order.
type Step struct {
	Module Module
	// Aliases of the devices that call for it; empty: always loaded, or
	// loaded because a later one needs it.
	Aliases []string
	Depends []string
}

// Order resolves what the image needs into load order: whatever a module needs
// stands before it. Modules that this kernel has built in are left out.
func (f *Files) Order(always, drivers []string) ([]Step, error) {
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
		for _, d := range m.Depends {
			if err := add(d, append(trail, name)); err != nil {
				return err
			}
		}
		done[name] = true
		s := Step{Module: m, Depends: m.Depends}
		if slices.Contains(drivers, name) {
			s.Aliases = m.Aliases
		}
		out = append(out, s)
		return nil
	}
	for _, name := range append(slices.Clone(always), drivers...) {
		if err := add(name, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// List is the text that init reads, one line per module in load order:
// name, "always" or "device" or "needed", what it needs (comma-separated or
// "-"), then its aliases.
func List(steps []Step, always []string) []byte {
	var b bytes.Buffer
	for _, s := range steps {
		when := "needed"
		if slices.Contains(always, s.Module.Name) {
			when = "always"
		} else if len(s.Aliases) > 0 {
			when = "device"
		}
		needs := strings.Join(s.Depends, ",")
		if needs == "" {
			needs = "-"
		}
		fmt.Fprintf(&b, "%s %s %s %s\n", s.Module.Name, when, needs, strings.Join(s.Aliases, " "))
	}
	return b.Bytes()
}
