package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// About describes a ready-made image; it lies beside its folder as FOLDER.json.
type About struct {
	Digest string `json:"digest"` // as Digest gives it
	Bun    string `json:"bun"`    // version
}

// Ready is an image that was made before and lies where nothing can change it:
// it is not hashed again, that is the file system's work (dm-verity). Whoever
// mounts it has to refuse a file system that can be written to. Only the
// harness is compared, for it has to be this quiltd's.
func Ready(dir string, harness []byte) (Image, About, error) {
	var about About
	text, err := os.ReadFile(dir + ".json")
	if err != nil {
		return Image{}, about, fault.Wrap(err, fault.NotFound, "the container image %s has no description %s.json", dir, dir).
			WithHint("leave the image setting out; quiltd then makes its own from Bun")
	}
	if err := json.Unmarshal(text, &about); err != nil || about.Digest == "" || about.Bun == "" {
		return Image{}, about, fault.New(fault.Invalid, "%s.json has no digest or no bun version", dir)
	}
	got, err := os.ReadFile(filepath.Join(dir, "aria", "harness.js"))
	if err != nil {
		return Image{}, about, fmt.Errorf("image: %w", err)
	}
	if !bytes.Equal(got, harness) {
		return Image{}, about, fault.New(fault.Invalid, "the container image %s was made for another quiltd: its harness differs", dir).
			WithHint("make the image again with the mkboot of this version")
	}
	return Image{Dir: dir, Digest: about.Digest, Reused: true}, about, nil
}
