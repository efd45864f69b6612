// Package verity makes the dm-verity hash tree of an image (Linux
// Documentation/admin-guide/device-mapper/verity.rst): version 1, sha256,
// blocks of 4096 bytes, no salt, no superblock. The tree follows the data. The
// kernel does the checking; this package opens no device.
package verity

import (
	"crypto/sha256"
	"fmt"
	"io"
)

// Block is the size of data and hash blocks.
const Block = 4096

// Append reads size bytes of r, writes the tree to w and returns the root hash.
// size is a multiple of Block. Levels go from the root down, as the kernel
// wants them.
func Append(w io.Writer, r io.Reader, size int64) (root [32]byte, err error) {
	if size <= 0 || size%Block != 0 {
		return root, fmt.Errorf("verity: %d bytes are not whole blocks", size)
	}
	level, err := hashes(r, size/Block)
	if err != nil {
		return root, err
	}
	levels := [][]byte{level}
	for len(level) > Block {
		var next []byte
		for at := 0; at < len(level); at += Block {
			sum := sha256.Sum256(level[at : at+Block])
			next = append(next, sum[:]...)
		}
		level = pad(next)
		levels = append(levels, level)
	}
	for i := len(levels) - 1; i >= 0; i-- {
		if _, err := w.Write(levels[i]); err != nil {
			return root, fmt.Errorf("verity: %w", err)
		}
	}
	return sha256.Sum256(level), nil
}

// hashes is the lowest level: one hash per data block.
func hashes(r io.Reader, blocks int64) ([]byte, error) {
	out := make([]byte, 0, blocks*sha256.Size)
	var block [Block]byte
	for range blocks {
		if _, err := io.ReadFull(r, block[:]); err != nil {
			return nil, fmt.Errorf("verity: %w", err)
		}
		sum := sha256.Sum256(block[:])
		out = append(out, sum[:]...)
	}
	return pad(out), nil
}

func pad(b []byte) []byte {
	if n := len(b) % Block; n != 0 {
		b = append(b, make([]byte, Block-n)...)
	}
	return b
}

// Table is the dm-verity target's parameters for a device that holds data and
// tree. An altered block restarts the machine: the other slot may be whole.
func Table(device string, dataSize int64, rootHex string) string {
	n := dataSize / Block
	return fmt.Sprintf("1 %s %s %d %d %d %d sha256 %s - 1 restart_on_corruption",
		device, device, Block, Block, n, n, rootHex)
}
