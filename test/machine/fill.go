package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/ariacomputecompany/firmware/boot/gpt"
	"github.com/ariacomputecompany/firmware/boot/layout"
)

var numbers = regexp.MustCompile(`(?m)^(Block count|Free blocks|Reserved block count|Block size): +([0-9]+)$`)

// Clean says whether the machine, which is off, left its data partition in order:
// a journal that has to be replayed means that it was not unmounted.
func (b *Box) Clean(ctx context.Context) error {
	head, err := b.dataHead(ctx)
	if err == nil && strings.Contains(head, "needs_recovery") {
		err = errors.New("the data partition was not unmounted: its journal has to be replayed")
	}
	return err
}

func (b *Box) dataHead(ctx context.Context) (string, error) {
	fs, err := b.dataFS()
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "dumpe2fs", "-h", fs).Output()
	if err != nil {
		return "", fmt.Errorf("dumpe2fs: %w", err)
	}
	return string(out), nil
}

// Fill leaves so many bytes of the data partition to those who are not root. The
// machine must be off, and have been switched off in good order.
func (b *Box) Fill(ctx context.Context, leave int64) error {
	if err := b.Clean(ctx); err != nil {
		return err
	}
	fs, err := b.dataFS()
	if err != nil {
		return err
	}
	head, err := b.dataHead(ctx)
	if err != nil {
		return err
	}
	n := map[string]int64{}
	for _, m := range numbers.FindAllStringSubmatch(head, -1) {
		n[m[1]], _ = strconv.ParseInt(m[2], 10, 64)
	}
	// The kernel keeps a fiftieth, at most 4096 blocks, for its own use (ext4's
	// s_resv_clusters): nobody can write there.
	kernel := min(n["Block count"]/50, 4096)
	size := (n["Free blocks"]-n["Reserved block count"]-kernel)*n["Block size"] - leave
	if size <= 0 {
		return fmt.Errorf("dumpe2fs says %v: nothing to fill", n)
	}
	ballast := filepath.Join(b.Dir, "ballast")
	defer os.Remove(ballast)
	full := make([]byte, size)
	for i := range full {
		full[i] = 0xa5 // debugfs leaves zeroes out
	}
	if err := os.WriteFile(ballast, full, 0o600); err != nil {
		return err
	}
	return tool("debugfs", "-w", "-R", "write "+ballast+" ballast", fs)
}

// Damage makes the file system of the data partition, of a machine that is off,
// contradict itself: as a disk that lied about a flush does.
func (b *Box) Damage() error {
	fs, err := b.dataFS()
	if err != nil {
		return err
	}
	return errors.Join(tool("debugfs", "-w", "-R", "ssv state 2", fs), tool("debugfs", "-w", "-R", "ssv free_blocks_count 7", fs),
		tool("debugfs", "-w", "-R", "clri /log", fs))
}

// DataBlocks is how large the data file system is, in blocks, after a check that
// finds nothing to mend.
func (b *Box) DataBlocks(ctx context.Context) (int64, error) {
	fs, err := b.dataFS()
	if err != nil {
		return 0, err
	}
	if err := tool("e2fsck", "-f", "-n", fs); err != nil {
		return 0, err
	}
	head, err := b.dataHead(ctx)
	if err != nil {
		return 0, err
	}
	for _, m := range numbers.FindAllStringSubmatch(head, -1) {
		if m[1] == "Block count" {
			return strconv.ParseInt(m[2], 10, 64)
		}
	}
	return 0, errors.New("dumpe2fs says no block count")
}

// Alter changes one byte of a partition.
func (b *Box) Alter(name string, at int64) error {
	p, err := b.part(name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(b.Disk, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var one [1]byte
	if _, err := f.ReadAt(one[:], p.Offset()+at); err != nil {
		return err
	}
	one[0] ^= 1
	_, err = f.WriteAt(one[:], p.Offset()+at)
	return err
}

// dataFS names the data partition's file system as e2fsprogs take it.
func (b *Box) dataFS() (string, error) {
	p, err := b.part(layout.Data)
	return fmt.Sprintf("%s?offset=%d", b.Disk, p.Offset()), err
}

func (b *Box) part(name string) (gpt.Part, error) {
	f, err := os.Open(b.Disk)
	if err != nil {
		return gpt.Part{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return gpt.Part{}, err
	}
	table, err := gpt.Read(f, st.Size())
	if err != nil {
		return gpt.Part{}, err
	}
	p, ok := table.Find(name)
	if !ok {
		return p, fmt.Errorf("%s has no %s", b.Disk, name)
	}
	return p, nil
}
