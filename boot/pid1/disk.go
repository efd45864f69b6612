package pid1

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// disk is a whole block device by its kernel name, "vda".
type disk string

func (d disk) path() string { return "/dev/" + string(d) }

// part is the device of partition n: vda2, nvme0n1p2.
func (d disk) part(n int) string {
	if c := d[len(d)-1]; c >= '0' && c <= '9' {
		return fmt.Sprintf("/dev/%sp%d", string(d), n)
	}
	return fmt.Sprintf("/dev/%s%d", string(d), n)
}

// size in bytes.
func (d disk) size() (int64, error) {
	b, err := os.ReadFile("/sys/class/block/" + string(d) + "/size")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n * 512, err
}

type partition struct {
	dev  string // "vda2"
	name string
	disk disk
}

func (p partition) path() string { return "/dev/" + p.dev }

// partitionsNamed finds partitions by the name in the partition table.
func partitionsNamed(name string) (out []partition) {
	files, _ := filepath.Glob("/sys/class/block/*/uevent")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || !strings.Contains("\n"+string(b), "\nPARTNAME="+name+"\n") {
			continue
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(f))
		if err != nil {
			continue
		}
		out = append(out, partition{dev: filepath.Base(dir), name: name, disk: disk(filepath.Base(filepath.Dir(dir)))})
	}
	return out
}
