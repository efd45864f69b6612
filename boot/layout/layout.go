// Package layout is the names that the image's builder, init and updates agree
// on: partitions, files on the ESP, command line words. Design note 010 says
// why. It touches no disk.
package layout

import (
	"fmt"
	"regexp"
	"strconv"
)

// Partition names; found on the disk that root came from.
const (
	ESP   = "aria-esp"
	RootA = "aria-root-a"
	RootB = "aria-root-b"
	Data  = "aria-data"
)

// Sizes in bytes. Partitions begin and end on Align.
const (
	Align    = 1 << 20
	ESPSize  = 96 << 20
	RootSize = 192 << 20
	// DataLeast is the least room for the data partition.
	DataLeast = 128 << 20
	// QcowSize is how large a disk the qcow2 image shows.
	QcowSize = 4 << 30
)

// GPT partition types (UEFI specification, systemd's Discoverable Partitions).
const (
	TypeESP  = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	TypeRoot = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709" // Linux root, x86-64
	TypeData = "0fc63daf-8483-4772-8e79-3d69d8477de4" // Linux data
)

// Files on the ESP.
const (
	Loader     = "EFI/BOOT/BOOTX64.EFI"
	LoaderConf = "loader/loader.conf"
	Entries    = "loader/entries"
	Config     = "aria/aria.toml"
)

// UKI is the kernel file of a slot ("a" or "b") on the ESP.
func UKI(slot string) string { return "EFI/aria/" + slot + ".efi" }

// Root is the name of a slot's root partition.
func Root(slot string) string { return "aria-root-" + slot }

// Other is the slot that is not this one.
func Other(slot string) string {
	if slot == "a" {
		return "b"
	}
	return "a"
}

// Words of the kernel's command line that init reads.
const (
	ArgRoot       = "aria.root"       // root hash of the dm-verity tree, hex
	ArgRootSize   = "aria.rootsize"   // bytes of squashfs before the tree
	ArgCredential = "aria.credential" // the API's credential; at least 32 characters
	ArgHostname   = "aria.hostname"
	ArgAddress    = "aria.address" // "dhcp", or ADDRESS/BITS
	ArgGateway    = "aria.gateway"
	ArgDNS        = "aria.dns"             // comma-separated
	ArgNTP        = "aria.ntp"             // server to set the clock from
	ArgShow       = "aria.show_credential" // the first credential on the serial line too
	ArgPatience   = "aria.patience"        // how long a version on trial has to become healthy; "90s"
)

// FirmwareKeys holds the public keys whose images are taken, in root.
const FirmwareKeys = "/etc/aria/firmware.pub"

// UpdateSocket is where init takes updates from ariad (firmware/control).
const UpdateSocket = "/run/aria/update.sock"

// State is where init says what runs, as JSON (Running).
const State = "/run/aria/firmware.json"

// Folders of the running machine.
const (
	DataDir     = "/data"          // the data partition
	DaemonData  = "/data/aria"     // of ariad and quiltd
	FirmwareDir = "/data/firmware" // history of updates; root only
	LogDir      = "/data/log"      // the bounded ring
	ImageDir    = "/aria/image"    // the container image, in root
	Model       = "/aria/use.bin"  // the embedding file, in root; llm/embed has the same name
	QuiltSocket = "/run/quilt/quilt.sock"
	Port        = 7600
)

// Users of the daemons, as in their own defaults.
const (
	AriaUID  = 64101
	QuiltUID = 64102
)

// Running is what runs, as init found it.
type Running struct {
	Slot       string `json:"slot"`
	Version    string `json:"version"`
	Generation int    `json:"generation"` // 0 with direct boot
	Entry      string `json:"entry"`      // file in Entries; empty with direct boot
	RootHash   string `json:"rootHash"`
	Disk       string `json:"disk"`  // /dev/vda
	Boot       string `json:"boot"`  // "uefi" or "direct"
	Tries      bool   `json:"tries"` // the entry has a counter: not yet marked healthy
}

// Entry is one file of Entries: aria-GGGGGG.conf, with +LEFT or +LEFT-DONE
// before the dot while it is being tried.
type Entry struct {
	Generation int
	Counted    bool
	Left, Done int
}

var entryName = regexp.MustCompile(`^aria-([0-9]{6})(?:\+([0-9]+)(?:-([0-9]+))?)?\.conf$`)

// ParseEntry reads a file name; ok is false for a file that is not ours.
func ParseEntry(name string) (e Entry, ok bool) {
	m := entryName.FindStringSubmatch(name)
	if m == nil {
		return e, false
	}
	e.Generation, _ = strconv.Atoi(m[1])
	if m[2] != "" {
		e.Counted = true
		e.Left, _ = strconv.Atoi(m[2])
		e.Done, _ = strconv.Atoi(m[3]) // empty: 0
	}
	return e, true
}

// Name is the file name of e.
func (e Entry) Name() string {
	s := fmt.Sprintf("aria-%06d", e.Generation)
	if e.Counted {
		s += "+" + strconv.Itoa(e.Left)
		if e.Done > 0 {
			s += "-" + strconv.Itoa(e.Done)
		}
	}
	return s + ".conf"
}

// EntryText is what stands in an entry.
func EntryText(generation int, slot string) string {
	return fmt.Sprintf("title Aria\nsort-key aria\nversion %d\nefi /%s\n", generation, UKI(slot))
}

// Manifest describes one version of the firmware: OUT/slot/manifest.json.
type Manifest struct {
	Version  string          `json:"version"`
	Kernel   string          `json:"kernel"`
	RootHash string          `json:"rootHash"`
	RootSize int64           `json:"rootSize"` // squashfs bytes before the tree
	Files    map[string]File `json:"files"`    // "linux.efi", "root.img"
}

// File is size in bytes and sha256 in hex.
type File struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}
