package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// entry is one line of an archive in a test.
type entry struct {
	name, text, link string
	kind             byte
	mode             int64
	size             int64
	records          map[string]string
}

func archive(t *testing.T, list ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range list {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: e.mode, Size: int64(len(e.text)), PAXRecords: e.records}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if e.size != 0 {
			h.Size = e.size
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	_ = w.Close() // one that promised more than it has cannot be closed, and is meant so
	return b.Bytes()
}

func save(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func baseConfig(t *testing.T) Config {
	t.Helper()
	return Config{Bun: testenv.Bun(t), Harness: []byte("// harness\n"), CacheDir: filepath.Join(t.TempDir(), "images")}
}

func TestImportRoot(t *testing.T) {
	cfg := baseConfig(t)
	text := archive(t,
		entry{name: "./usr/", kind: tar.TypeDir},
		entry{name: "usr/bin/tool", text: "tool", mode: 0o4755},
		entry{name: "usr/bin/raw", text: "raw", mode: 0o755, records: map[string]string{"SCHILY.xattr.security.capability": "x"}},
		entry{name: "usr/bin/same", kind: tar.TypeLink, link: "usr/bin/tool"},
		entry{name: "bin", kind: tar.TypeSymlink, link: "usr/bin"},
		entry{name: "bin/late", text: "through the link"},
		entry{name: "out", kind: tar.TypeSymlink, link: "../../../../etc/passwd"},
		entry{name: "loop", kind: tar.TypeSymlink, link: "loop"},
		entry{name: "usr/up", kind: tar.TypeSymlink, link: "/"},
		entry{name: "etc/passwd", text: "theirs", mode: 0o600},
		entry{name: "dev/sda", kind: tar.TypeBlock},
		entry{name: "tmp/junk", text: "junk"},
	)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"root.tar": text, "root.tar.gz": zipped.Bytes()} {
		b, err := Import(t.Context(), cfg, save(t, name, data), "root", 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"bin/", "bin/late", "bin/raw", "bin/same", "bin/tool", "etc/", "etc/passwd", "out", "usr/", "usr/bin/", "usr/bin/late", "usr/bin/raw", "usr/bin/same", "usr/bin/tool"}
		if d := cmp.Diff(want, listing(t, b.Dir)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if b.Dropped != 2 || b.Loose != 2 {
			t.Errorf("%s: %+v; want 2 dropped, 2 loose", name, b)
		}
		got, err := os.ReadFile(filepath.Join(b.Dir, "out"))
		if err != nil || string(got) != "theirs" {
			t.Errorf("a link upwards read %q, %v; want the archive's own file", got, err)
		}
		if err := b.Verify(); err != nil {
			t.Error(err)
		}
	}
}

func listing(t *testing.T, dir string) (out []string) {
	t.Helper()
	files, err := listBase(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := f.path
		if f.dir {
			name += "/"
		}
		if f.mode != 0o755 && f.mode != 0o644 {
			t.Errorf("%s has mode %o", f.path, f.mode)
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// TestImportHostile: each is refused with a sentence, and nothing is left.
func TestImportHostile(t *testing.T) {
	many := make([]entry, 0, 40)
	for i := range 40 {
		many = append(many, entry{name: fmt.Sprintf("d%d", i), kind: tar.TypeSymlink, link: fmt.Sprintf("d%d", i+1)})
	}
	deep := strings.Repeat("d/", maxDepth+1) + "f"
	var bomb []entry // each folder holds two links to the one before: 2^20 files
	bomb = append(bomb, entry{name: "b0/f", text: strings.Repeat("x", 1000)})
	for i := 1; i <= 20; i++ {
		bomb = append(bomb, entry{name: fmt.Sprintf("b%d/a", i), kind: tar.TypeSymlink, link: fmt.Sprintf("/b%d", i-1)},
			entry{name: fmt.Sprintf("b%d/b", i), kind: tar.TypeSymlink, link: fmt.Sprintf("/b%d", i-1)})
	}
	cases := map[string]struct {
		list []entry
		say  string
	}{
		"a name that leads out":           {[]entry{{name: "../evil", text: "x"}}, "leads out"},
		"one in the middle":               {[]entry{{name: "a/../../evil", text: "x"}}, "leads out"},
		"an absolute name, then out":      {[]entry{{name: "/../evil", text: "x"}}, "leads out"},
		"a hard link to the host":         {[]entry{{name: "l", kind: tar.TypeLink, link: "/etc/shadow"}}, "not in the archive"},
		"a hard link that leads out":      {[]entry{{name: "l", kind: tar.TypeLink, link: "../../etc/shadow"}}, "leads out"},
		"a hard link to a folder":         {[]entry{{name: "d/f", text: "x"}, {name: "l", kind: tar.TypeLink, link: "d"}}, "to the folder"},
		"a device":                        {[]entry{{name: "etc/sda", kind: tar.TypeBlock}}, "device"},
		"a pipe":                          {[]entry{{name: "run/pipe", kind: tar.TypeFifo}}, "device"},
		"a file below a file":             {[]entry{{name: "a", text: "x"}, {name: "a/b", text: "x"}}, "no folder"},
		"links without end on the way":    {append(many, entry{name: "d40", kind: tar.TypeSymlink, link: "d0"}, entry{name: "d0/f", text: "x"}), "too many"},
		"a file for Bun's folder":         {[]entry{{name: "bin", text: "x"}}, "folder"},
		"a folder for Bun":                {[]entry{{name: "bin/bun/x", text: "x"}}, "folder"},
		"a link for Bun's folder to file": {[]entry{{name: "x", text: "x"}, {name: "aria", kind: tar.TypeSymlink, link: "x"}}, "folder"},
		"more than it says it may":        {[]entry{{name: "big", text: strings.Repeat("x", 2<<20)}}, "more than 1 MiB"},
		"a promise of eight exbibytes":    {[]entry{{name: "big", size: 1<<62 - 1, text: "x"}}, "not a tar archive"},
		"links that double":               {bomb, "larger than"},
		"too deep":                        {[]entry{{name: deep, text: "x"}}, "deeper than"},
		"a whiteout of everything":        {[]entry{{name: "a/.wh...", text: ""}}, "removes nothing"},
		"nothing":                         {nil, "empty"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cfg := baseConfig(t)
			_, err := Import(t.Context(), cfg, save(t, "x.tar", archive(t, c.list...)), "x", 1<<20)
			f, ok := fault.As(err)
			if !ok || !strings.Contains(f.Message, c.say) {
				t.Fatalf("%v; want a fault that says %q", err, c.say)
			}
			if left, _ := filepath.Glob(cfg.CacheDir + "/.making-*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if list, err := Bases(cfg.CacheDir); err != nil || len(list) > 0 {
				t.Errorf("%v, %v; want no base", list, err)
			}
		})
	}
}

// layout writes an OCI layout with the layers given.
func layout(t *testing.T, layers ...[]byte) string {
	t.Helper()
	dir := t.TempDir()
	blob := func(media string, b []byte) map[string]any {
		sum := sha256.Sum256(b)
		hex := hex.EncodeToString(sum[:])
		if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "blobs", "sha256", hex), b, 0o644); err != nil {
			t.Fatal(err)
		}
		return map[string]any{"mediaType": media, "digest": "sha256:" + hex, "size": len(b)}
	}
	encode := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var list []any
	for _, l := range layers {
		list = append(list, blob("application/vnd.oci.image.layer.v1.tar", l))
	}
	manifest := blob("application/vnd.oci.image.manifest.v1+json", encode(map[string]any{"schemaVersion": 2,
		"mediaType": "application/vnd.oci.image.manifest.v1+json", "config": blob("application/vnd.oci.image.config.v1+json", []byte("{}")), "layers": list}))
	for name, text := range map[string][]byte{"index.json": encode(map[string]any{"schemaVersion": 2, "manifests": []any{manifest}}),
		"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestImportLayout(t *testing.T) {
	low := archive(t, entry{name: "a/gone", text: "x"}, entry{name: "a/stays", text: "x"}, entry{name: "o/old", text: "x"}, entry{name: "r", text: "old"})
	high := archive(t, entry{name: "a/.wh.gone"}, entry{name: "o/.wh..wh..opq"}, entry{name: "o/new", text: "x"}, entry{name: "r", text: "new"})
	cfg, dir := baseConfig(t), layout(t, low, high)
	b, err := Import(t.Context(), cfg, dir, "two", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a/", "a/stays", "o/", "o/new", "r"}, listing(t, b.Dir)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got, _ := os.ReadFile(filepath.Join(b.Dir, "r")); string(got) != "new" {
		t.Errorf("r is %q; want the upper layer's", got)
	}
	// One changed bit of a layer is seen, wherever it is.
	blobs, _ := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
	for _, path := range blobs {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) < 1024 {
			continue
		}
		spoilt := slices.Clone(text)
		spoilt[len(spoilt)-1] ^= 1
		if err := os.WriteFile(path, spoilt, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Import(t.Context(), cfg, dir, "spoilt", 1<<20); err == nil {
			t.Errorf("%s: a changed layer was taken", filepath.Base(path))
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBase: an image on a base has the base's files and our own, and ours win.
func TestBase(t *testing.T) {
	cfg := baseConfig(t)
	text := archive(t, entry{name: "opt/data", text: "data"}, entry{name: "etc/passwd", text: "theirs"}, entry{name: "bin/bun", text: "#!/evil", mode: 0o755})
	b, err := Import(t.Context(), cfg, save(t, "x.tar", text), "x", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Base = b
	img, err := Build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	checkTree(t, img.Dir)
	if got, _ := os.ReadFile(filepath.Join(img.Dir, "opt/data")); string(got) != "data" {
		t.Errorf("opt/data is %q", got)
	}
	if got, _ := os.ReadFile(filepath.Join(img.Dir, "etc/passwd")); string(got) == "theirs" {
		t.Error("the base's etc/passwd won")
	}
	if info, err := os.Stat(filepath.Join(img.Dir, "bin/bun")); err != nil || info.Size() < 1<<20 {
		t.Errorf("the base's bun won: %v, %v", info, err)
	}
	if err := os.WriteFile(filepath.Join(b.Dir, "opt/data"), []byte("evil"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(cfg); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a changed base: %v; want invalid", err)
	}
	if err := RemoveBase(cfg.CacheDir, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(b.Dir); !os.IsNotExist(err) {
		t.Errorf("removed, and still there: %v", err)
	}
}
