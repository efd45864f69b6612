package packages

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// registry serves one package, in two versions, whose install script would
// leave a mark.
type registry struct {
	*httptest.Server
	tarballs map[string][]byte
}

func newRegistry(t *testing.T, mark string) *registry {
	t.Helper()
	r := &registry{tarballs: map[string][]byte{}}
	versions := map[string]any{}
	mux := http.NewServeMux()
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	for _, v := range []string{"1.0.0", "1.1.0"} {
		pkg := map[string]any{"name": "left", "version": v, "main": "index.js", "scripts": map[string]string{"postinstall": "touch " + mark}}
		r.tarballs[v] = tarball(t, pkg)
		pkg["dist"] = map[string]string{"tarball": r.URL + "/left/" + v + ".tgz", "integrity": integrity(r.tarballs[v])}
		versions[v] = pkg
	}
	mux.HandleFunc("GET /left", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"name": "left", "dist-tags": map[string]string{"latest": "1.1.0"}, "versions": versions})
	})
	mux.HandleFunc("GET /left/{file}", func(w http.ResponseWriter, q *http.Request) {
		w.Write(r.tarballs[strings.TrimSuffix(q.PathValue("file"), ".tgz")])
	})
	return r
}

func integrity(b []byte) string {
	sum := sha512.Sum512(b)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

func tarball(t *testing.T, pkg any) []byte {
	t.Helper()
	text, err := json.Marshal(pkg)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, data := range map[string]string{"package/package.json": string(text), "package/index.js": "export const left = 1"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

// project writes files and gives a request for them, with what was noted.
func project(t *testing.T, files map[string]string) (Request, *strings.Builder) {
	t.Helper()
	r := Request{Dir: t.TempDir(), Env: func(k string) string {
		if k == "ARIA_BUN" {
			return testenv.Bun(t)
		}
		return ""
	}}
	t.Setenv("BUN_INSTALL_CACHE_DIR", t.TempDir())
	for name, text := range files {
		at := filepath.Join(r.Dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	notes := &strings.Builder{}
	r.Note = func(format string, args ...any) { fmt.Fprintf(notes, format+"\n", args...) }
	return r, notes
}

const asksForLeft = `{"dependencies":{"left":"^1.0.0"}}`

func npmLock(reg *registry, version string) string {
	return fmt.Sprintf(`{"name":"x","lockfileVersion":3,"requires":true,"packages":{"":{"name":"x","dependencies":{"left":"^1.0.0"}},
"node_modules/left":{"version":%q,"resolved":"%s/left/%s.tgz","integrity":%q}}}`, version, reg.URL, version, integrity(reg.tarballs[version]))
}

func TestInstallsAsTheLockSays(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	reg := newRegistry(t, mark)
	r, notes := project(t, map[string]string{
		"package.json": asksForLeft, ".npmrc": "registry=" + reg.URL, "package-lock.json": npmLock(reg, "1.0.0"),
		"node_modules/left/package.json": `{"name":"left","version":"1.1.0"}`, // not the one that is locked
	})
	r.Frozen = true
	if err := Ensure(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if v, _ := installed(r.Dir, "left"); v != "1.0.0" {
		t.Errorf("left is %q, the lock file says 1.0.0", v)
	}
	if want := "installing left, as package-lock.json says, without install scripts\n"; notes.String() != want {
		t.Errorf("noted %q, want %q", notes, want)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the package's install script ran")
	}
	notes.Reset()
	reg.Close() // a second time nothing is asked
	if err := Ensure(context.Background(), r); err != nil || notes.Len() > 0 {
		t.Errorf("again: %v, noted %q", err, notes)
	}
	l, err := ReadLock(r.Dir)
	if err != nil || !l.Holds("left", "1.0.0") || l.Holds("left", "1.1.0") {
		t.Errorf("lock %+v, %v", l, err)
	}
}

func TestMakesALock(t *testing.T) {
	reg := newRegistry(t, filepath.Join(t.TempDir(), "mark"))
	r, _ := project(t, map[string]string{"package.json": asksForLeft, ".npmrc": "registry=" + reg.URL})
	if err := Ensure(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	l, err := ReadLock(r.Dir)
	if err != nil || l == nil || l.File != "bun.lock" || l.version("left") != "1.1.0" {
		t.Errorf("lock %+v, %v", l, err)
	}
}

func TestRefuses(t *testing.T) {
	reg := newRegistry(t, filepath.Join(t.TempDir(), "mark"))
	dead := httptest.NewServer(nil)
	dead.Close()
	other := strings.ReplaceAll(npmLock(reg, "1.0.0"), `"^1.0.0"`, `"~1.0.0"`)
	for _, c := range []struct {
		name   string
		files  map[string]string
		frozen bool
		code   fault.Code
		want   string
	}{
		{"no lock", map[string]string{"package.json": asksForLeft}, true, fault.Invalid,
			"package.json names left, but there is no lock file that says which versions"},
		{"foreign lock", map[string]string{"package.json": asksForLeft, "yarn.lock": "# yarn lockfile v1"}, false, fault.Invalid,
			"left is not in node_modules, and yarn.lock is a lock file that arc does not read"},
		{"disagree", map[string]string{"package.json": `{"dependencies":{"left":"1.1.0"}}`, ".npmrc": "registry=" + reg.URL, "package-lock.json": other}, false,
			fault.Invalid, "package.json and package-lock.json disagree"},
		{"bad lock", map[string]string{"package.json": asksForLeft, "bun.lock": "what"}, false, fault.Invalid, "bun.lock is no lock file that arc understands"},
		{"bad name", map[string]string{"package.json": `{"dependencies":{"../x":"1"}}`}, false, fault.Invalid, `package.json: "../x" is not the name of a package`},
		{"bad json", map[string]string{"package.json": `{"dependencies":[]}`}, false, fault.Invalid, "package.json is not a package.json: "},
		{"bad settings", map[string]string{"package.json": asksForLeft, "bunfig.toml": "[install"}, false, fault.Invalid, "bunfig.toml: "},
		{"no registry", map[string]string{"package.json": asksForLeft, ".npmrc": "registry=" + dead.URL}, false, fault.Unavailable, "packages cannot be installed: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := project(t, c.files)
			r.Frozen = c.frozen
			err := Ensure(context.Background(), r)
			if fault.CodeOf(err) != c.code || !strings.HasPrefix(err.Error(), c.want) {
				t.Fatalf("got %v (%s), want %s", err, fault.CodeOf(err), c.want)
			}
			if f, _ := fault.As(err); f.Hint == "" {
				t.Error("no hint")
			}
		})
	}
}

func TestReadBunLock(t *testing.T) {
	const lock = `{
  "lockfileVersion": 1,
  "workspaces": { "": { "name": "x", "dependencies": { "zod": "^4", }, }, },
  "packages": {
    "@types/bun": ["@types/bun@1.3.0", "", {}, "sha512-a"],

    "local": ["local@file:../local", {}],

    "old/zod": ["zod@3.0.0", "", {}, "sha512-b"],

    "zod": ["zod@4.6.7", "", {}, "sha512-c"],
  }
}`
	l := &Lock{top: map[string]string{}, all: map[string]bool{}}
	if !readBun([]byte(lock), l) {
		t.Fatal("not read")
	}
	for name, want := range map[string]string{"zod": "4.6.7", "@types/bun": "1.3.0", "local": "", "none": ""} {
		if got := l.version(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !l.Holds("zod", "3.0.0") {
		t.Error("the nested version is not held")
	}
}

// Two readers could take different values where a name stands twice, or in
// another case: neither is read.
func TestNamesStandOnce(t *testing.T) {
	for text, want := range map[string]string{
		`{"dependencies":{"zod":"^4"}}`:                   "zod",
		`{"Dependencies":{"zod":"^4"}}`:                   "",
		`{"dependencies":{"zod":"^4"},"dependencies":{}}`: "refused",
		`{"dependencies":{"zod":"^4","zod":"^3"}}`:        "refused",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := declared(dir)
		if err != nil {
			got = []string{"refused"}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
}
