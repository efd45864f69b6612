package sandbox

// Host is what the kernel and the launcher offer, probed once when the
// launcher starts. Plain data.
type Host struct {
	Arch          string `json:"arch"`
	Kernel        string `json:"kernel"`
	CgroupVersion int    `json:"cgroupVersion"` // 1 or 2; 0: none
	Isolation     string `json:"isolation"`     // the line a person reads: "full (cgroup v1)"
	LandlockABI   int    `json:"landlockABI"`   // 0: not there
	ImageDigest   string `json:"imageDigest"`
	HugeImage     bool   `json:"hugeImage"` // the image lies on huge pages
	LauncherPID   int    `json:"launcherPID"`
	// Rootless: the launcher is root of a user namespace only. Degraded is what it
	// does without, of Degradable.
	Rootless bool     `json:"rootless,omitempty"`
	Degraded []string `json:"degraded,omitempty"`
	// Disks whose use is limited, "MAJOR:MINOR": all that there were when the
	// launcher started, on cgroup v2 with the io controller; else none.
	Disks []string `json:"disks,omitempty"`
}

// Stats is the launcher's own state, for operators and leak tests.
type Stats struct {
	Live     int    `json:"live"`     // containers that are not yet wholly removed
	Ready    int    `json:"ready"`    // prepared slots that wait for a container
	Slots    int    `json:"slots"`    // user namespaces made so far
	Started  uint64 `json:"started"`  // containers since the launcher started
	Born     uint64 `json:"born"`     // of those, born in their group (CLONE_INTO_CGROUP, v2)
	Leftover int    `json:"leftover"` // groups that could not be removed; 0 in all but a broken kernel
	FDs      int    `json:"fds"`      // open descriptors
	Threads  int    `json:"threads"`  // OS threads
	RSSBytes int64  `json:"rssBytes"` // resident memory
}
