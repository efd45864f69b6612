package verity

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// veritysetup, another implementation, must find the same root hash and accept
// the tree, at sizes around each change of depth.
func TestAgainstVeritysetup(t *testing.T) {
	testenv.Program(t, "veritysetup", "apt-get install cryptsetup-bin")
	for _, blocks := range []int{2, 128, 129, 128*128 + 1} {
		data := make([]byte, blocks*Block)
		rng := rand.New(rand.NewPCG(1, uint64(blocks)))
		for i := 0; i < len(data); i += 64 {
			data[i] = byte(rng.Uint32())
		}
		var tree bytes.Buffer
		root, err := Append(&tree, bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(file, append(data, tree.Bytes()...), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("veritysetup", "verify", "--no-superblock", "--salt=-", "--hash=sha256",
			"--data-blocks="+strconv.Itoa(blocks), "--hash-offset="+strconv.Itoa(len(data)),
			file, file, hex.EncodeToString(root[:])).CombinedOutput()
		if err != nil {
			t.Errorf("%d blocks: %v: %s", blocks, err, out)
		}
	}
}

func TestAppendRefusesPartBlocks(t *testing.T) {
	for _, size := range []int64{0, 1, Block + 1} {
		if _, err := Append(&bytes.Buffer{}, bytes.NewReader(make([]byte, 2*Block)), size); err == nil {
			t.Errorf("%d bytes were accepted", size)
		}
	}
}
