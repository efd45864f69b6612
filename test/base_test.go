package test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// TestBase runs a tool on somebody else's image: an OCI layout with two layers,
// the second of which changes and removes files of the first.
func TestBase(t *testing.T) {
	testenv.NeedRoot(t)
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal("busybox is not installed: make setup-test")
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	lower := layer(t, map[string]string{"bin/busybox": string(program), "opt/words.txt": "old", "opt/gone.txt": "x", "etc/passwd": "intruder:x:0:0::/:/bin/sh\n", "bin/bun": "no bun"},
		tar.Header{Name: "opt/link", Typeflag: tar.TypeSymlink, Linkname: "words.txt"})
	upper := layer(t, map[string]string{"opt/words.txt": "from the base", "opt/.wh.gone.txt": ""})
	data := reachable(t)
	layout := filepath.Join(data, "layout")
	writeLayout(t, layout, lower, upper)

	t.Setenv("ARIA_BUN", testenv.Bun(t))
	quiltd := filepath.Join(binDir, "quiltd")
	if out, err := exec.Command(quiltd, "image", "import", layout, "words", "--data", data).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "imported words: ") {
		t.Fatalf("import: %v\n%s", err, out)
	}
	if out, err := exec.Command(quiltd, "image", "verify", "words", "--data", data).CombinedOutput(); err != nil {
		t.Fatalf("verify: %v\n%s", err, out)
	}
	writeFile(t, filepath.Join(data, "quiltd.toml"), "base = \"words\"\n")
	p := startPairIn(t, data)
	if out, code := p.arc(t, "upload", "testdata/base"); code != 0 {
		t.Fatalf("upload: exit code %d\n%s", code, out)
	}
	for _, c := range []struct{ shows, unit, input, want string }{
		{"the second layer's file", "look.read", `{"path":"/opt/words.txt"}`, `"from the base"`},
		{"a link's target", "look.read", `{"path":"/opt/link"}`, `"from the base"`},
		{"a file that the second layer removed", "look.read", `{"path":"/opt/gone.txt"}`, `null`},
		{"the base is read-only", "look.write", `{"path":"/opt/words.txt"}`, `false`},
	} {
		out, code := p.arc(t, "run", c.unit, "--input", c.input)
		if code != 0 || strings.TrimSpace(string(out)) != c.want {
			t.Errorf("%s: exit code %d, %s, want %s", c.shows, code, out, c.want)
		}
	}
	if out, _ := p.arc(t, "run", "look.read", "--input", `{"path":"/etc/passwd"}`); bytes.Contains(out, []byte("intruder")) {
		t.Errorf("the base's users count: %s", out)
	}
	if out, code := p.arc(t, "run", "look.bun"); code != 0 || bytes.Count(out, []byte(".")) != 2 {
		t.Errorf("Bun is not quiltd's own: exit code %d, %s", code, out)
	}
}

// layer is a tar archive.
func layer(t *testing.T, files map[string]string, more ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, text := range files {
		mode := int64(0o644)
		if strings.HasPrefix(name, "bin/") {
			mode = 0o4755
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range more {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// writeLayout writes an OCI image layout of uncompressed layers (image-spec 1.1).
func writeLayout(t *testing.T, dir string, layers ...[]byte) {
	t.Helper()
	type descriptor struct {
		MediaType string            `json:"mediaType"`
		Digest    string            `json:"digest"`
		Size      int               `json:"size"`
		Platform  map[string]string `json:"platform,omitempty"`
	}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		t.Fatal(err)
	}
	blob := func(kind string, text []byte) descriptor {
		sum := fmt.Sprintf("%x", sha256.Sum256(text))
		writeFile(t, filepath.Join(dir, "blobs", "sha256", sum), string(text))
		return descriptor{MediaType: "application/vnd.oci.image." + kind, Digest: "sha256:" + sum, Size: len(text)}
	}
	marshal := func(v any) []byte {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var list []descriptor
	var ids []string
	for _, l := range layers {
		d := blob("layer.v1.tar", l)
		list, ids = append(list, d), append(ids, d.Digest)
	}
	config := blob("config.v1+json", marshal(map[string]any{"architecture": runtime.GOARCH, "os": "linux",
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids}}))
	manifest := blob("manifest.v1+json", marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": config, "layers": list}))
	manifest.Platform = map[string]string{"architecture": runtime.GOARCH, "os": "linux"}
	writeFile(t, filepath.Join(dir, "index.json"), string(marshal(map[string]any{"schemaVersion": 2, "manifests": []descriptor{manifest}})))
	writeFile(t, filepath.Join(dir, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`)
}
