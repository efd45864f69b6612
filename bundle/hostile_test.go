package bundle

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

// hostile are bundles that must be refused, each with the reason.
var hostile = []struct {
	name, says string
	make       func() ([]byte, error)
}{
	{"empty file", "not a ZIP", fixed("")},
	{"text", "not a ZIP", fixed("hello")},
	{"header and nothing", "cut short", fixed("PK\x03\x04")},
	{"bytes before", "before the first entry", patch(func(b []byte) []byte { return append([]byte("#!/bin/sh\n"), b...) })},
	{"bytes behind", "behind the end", patch(func(b []byte) []byte { return append(b, 0) })},
	{"second archive behind", "behind the end", patch(func(b []byte) []byte { return append(b, b...) })},
	{"archive comment", "comment", patch(func(b []byte) []byte { b[len(b)-2] = 2; return append(b, "hi"...) })},
	{"half", "cut short", patch(func(b []byte) []byte { return b[:len(b)/3] })},
	{"no end record", "cut short in the directory", patch(func(b []byte) []byte { return b[:len(b)-22] })},
	{"wrong count in end record", "end record", patch(func(b []byte) []byte { b[len(b)-12]++; return b })},

	{"encrypted", "encrypted", local(6, 0x0801)},
	{"data descriptor", "sizes behind", local(6, 0x0808)},
	{"unknown method", "compression method 93", local(8, 93)},
	{"a time", "fixed form", local(10, 7)},
	{"a date", "fixed form", local(12, 0x5b2d)},
	{"version", "fixed form", local(4, 45)},
	{"extra field", "extra field", local(28, 1)},
	{"wrong checksum", "two headers that differ", local(14, 1)},
	{"wrong checksum twice", "damaged", both(-1, func(e *entry) { e.crc ^= 1 })},
	{"size too small", "more than", both(0, func(e *entry) { e.size-- })},
	{"size too large", "does not unpack", both(0, func(e *entry) { e.size++ })},
	{"bytes behind the compressed data", "bytes behind its compressed", padded},
	{"size huge", "larger than 64 MiB", both(-1, func(e *entry) { e.size = 65 << 20 })},
	{"bomb", "100 times", both(-1, func(e *entry) { e.size = 60 << 20 })},
	{"packed size over the end", "cut short", local(18, 0xffff)},

	{"central comment", "comment", central(32, 1)},
	{"central extra", "extra field", central(30, 1)},
	{"central offset", "two headers", central(42, 1)},
	{"central name", "two headers", central(46, 'X')},
	{"symbolic link", "symbolic link", central(40, 0o120777)},
	{"device", "plain file", central(40, 0o060644)},
	{"executable", "plain file", central(40, 0o100755)},

	{"traversal", "leaves its place", withFile("code/../../etc/passwd")},
	{"dot", "leaves its place", withFile("code/./a.js")},
	{"empty segment", "leaves its place", withFile("code//a.js")},
	{"absolute", "absolute", withFile("/etc/passwd")},
	{"backslash", `character '\\'`, withFile(`code\a.js`)},
	{"drive", "character ':'", withFile("C:/a.js")},
	{"NUL", "character", withFile("code/a\x00.js")},
	{"line break", "character", withFile("code/a\n.js")},
	{"not UTF-8", "not UTF-8", withFile("code/\xff.js")},
	{"not NFC", "NFC", withFile("code/cafe\u0301.js")},
	{"folder", "folder", withFile("code/sub/")},
	{"no name", "no name", withFile("")},
	{"long name", "longer than 255", withFile("code/" + strings.Repeat("a", 300))},
	{"signature without key id", "not named after a key", withFile("signatures/a.json")},
	{"signature in a folder", "not named after a key", withFile("signatures/x/0000000000000001.dsse.json")},
	{"signature that is none", "not a signature envelope", withFile("signatures/0000000000000001.dsse.json")},
	{"signature by another key", "is by key", withSignature(func(e *sealing) { e.path = "signatures/00000000000000FF.dsse.json" })},
	{"signature for another digest", "is for acme/orders 1.2.3 sha256:0000", withSignature(func(e *sealing) { e.st.Digest = "sha256:" + strings.Repeat("0", 64) })},
	{"signature for another name", "is for acme/other", withSignature(func(e *sealing) { e.st.Name = "acme/other" })},
	{"signature for another version", "is for acme/orders 9.9.9", withSignature(func(e *sealing) { e.st.Version = "9.9.9" })},
	{"signature in the manifest", "outside the digest", change(func(m *Manifest) {
		m.Files["signatures/0000000000000001.dsse.json"] = File{Sha256: sum(nil)}
	})},
	{"unknown root", "outside", withFile("node_modules/a.js")},
	{"case twins", "only in case", withFile("code/ORDERS.js")},
	{"file and folder", "file and the folder", withFile("code/orders.js/a.js")},
	{"same name twice", "stands twice", zipOf(func(n []string) []string { return append(n, n[len(n)-1]) })},
	{"manifest twice", "stands twice", zipOf(func(n []string) []string { return append(n, ManifestName) })},
	{"manifest not first", "first entry", zipOf(func(n []string) []string { return append(n[1:], n[0]) })},
	{"unsorted", "out of order", zipOf(func(n []string) []string { slices.Reverse(n[1:]); return n })},
	{"missing file", "not packed", zipOf(func(n []string) []string { return n[:len(n)-1] })},
	{"undeclared file", "does not list it", withFile("code/extra.js")},
	{"too many", "more than 4096", many},

	{"other content", "sha256 differs", withBody("code/orders.js", strings.Replace(orders, "get", "put", 1))},
	{"other size", "the manifest says", withBody("code/orders.js", orders+" ")},

	{"manifest is text", "not JSON", manifest(`hello`)},
	{"manifest is a list", "manifest.json", manifest(`[]`)},
	{"manifest cut", "not JSON", edit(`}`+"\n", "")},
	{"manifest with space", "canonical form", edit(`{"aria"`, `{ "aria"`)},
	{"manifest without LF", "canonical form", edit("}\n", "}")},
	{"two manifests", "canonical form", edit("}\n", "}\n{}\n")},
	{"escaped letter", "canonical form", edit(`"acme/orders"`, `"\u0061cme/orders"`)},
	{"key in other case", "canonical form", edit(`"version"`, `"Version"`)},
	{"unknown field", `unknown field "postinstall"`, edit(`{"aria"`, `{"postinstall":"x","aria"`)},
	{"key twice", "twice", edit(`{"aria":"1"`, `{"aria":"1","aria":"1"`)},
	{"key twice in a schema", "twice", edit(`{"type":"string"}`, `{"type":"string","type":"number"}`)},
	{"deep", "nested deeper", edit(`{"type":"string"}`, strings.Repeat("[", 400)+strings.Repeat("]", 400))},
	{"not UTF-8 inside", "not UTF-8", edit("refunds", "\xff\xfe")},
	{"format version", "format version", edit(`"aria":"1"`, `"aria":"2"`)},
	{"bundle name", "bad name", edit(`"acme/orders"`, `"../orders"`)},
	{"version text", "bad version", edit(`"1.2.3"`, `"latest"`)},
	{"no units", "no units", change(func(m *Manifest) { m.Units = nil })},
	{"unit kind", "unknown unit kind", change(func(m *Manifest) { unit(m).Kind = "daemon" })},
	{"unit name", "bad unit name", change(func(m *Manifest) { unit(m).Name = "orders get" })},
	{"unit twice", "stands twice", change(func(m *Manifest) { m.Units = append(m.Units, m.Units[len(m.Units)-1]) })},
	{"kind and part", "do not fit", change(func(m *Manifest) { unit(m).Agent = &AgentSpec{Model: "m"} })},
	{"unknown scheme", `unknown scheme "kvs"`, change(func(m *Manifest) { unit(m).Tokens[0] = "kvs:orders:rw"; m.sort() })},
	{"token pattern", "policies only", change(func(m *Manifest) { unit(m).Tokens[0] = "kv:*:rw"; m.sort() })},
	{"token not canonical", "not canonical", change(func(m *Manifest) { unit(m).Tokens[0] = "kv:orders:w"; m.sort() })},
	{"hidden token", "permissions do not list", change(func(m *Manifest) { m.Permissions.Tokens = m.Permissions.Tokens[:1] })},
	{"entry to nothing", "no file under code/", change(func(m *Manifest) { unit(m).Entry.Code = "code/none.js" })},
	{"entry to source", "no file under code/", change(func(m *Manifest) { unit(m).Entry.Code = "source/orders.ts" })},
	{"entry injects code", "no identifiers", change(func(m *Manifest) { unit(m).Entry.Export = "Orders;process.exit()" })},
	{"no entry", "needs an entry", change(func(m *Manifest) { unit(m).Entry = nil })},
	{"schema true", "schema objects", change(func(m *Manifest) { unit(m).Input = json.RawMessage(`true`) })},
	{"schema missing", "schema objects", change(func(m *Manifest) { unit(m).Output = nil })},
	{"def is a list", "not a schema object", change(func(m *Manifest) { m.Defs["Order"] = json.RawMessage(`[]`) })},
	{"negative limit", "below zero", change(func(m *Manifest) { unit(m).Limits.MemoryBytes = -1 })},
	{"unknown member", "not in the bundle", change(func(m *Manifest) { m.Units[0].Team.Members = []string{"nobody"} })},
	{"steps in a ring", "wait for each other", change(func(m *Manifest) { m.Units[1].Pipeline.Steps[0].After = []string{"send"} })},
	{"step after nothing", "which is no step", change(func(m *Manifest) { m.Units[1].Pipeline.Steps[0].After = []string{"x"} })},
	{"a pin of nothing", "which no unit refers to", pinned(Pin{"acme/none", "^1", "1.0.0", Digest("sha256:" + strings.Repeat("0", 64))})},
	{"a pin outside its range", "not in that range", pinned(Pin{"acme/search", "^1", "2.0.0", Digest("sha256:" + strings.Repeat("0", 64))})},
	{"a pin to no digest", "no digest", pinned(Pin{"acme/search", "^1", "1.0.0", "sha256:0"})},
	{"a pin twice", "stands twice", pinned(Pin{"acme/search", "^1", "1.0.0", Digest("sha256:" + strings.Repeat("0", 64))},
		Pin{"acme/search", "^1", "1.1.0", Digest("sha256:" + strings.Repeat("1", 64))})},
	{"sha in capitals", "bad sha256", change(func(m *Manifest) {
		f := m.Files["code/orders.js"]
		f.Sha256 = strings.ToUpper(f.Sha256)
		m.Files["code/orders.js"] = f
	})},
	{"manifest lists itself", "lists itself", change(func(m *Manifest) { m.Files[ManifestName] = m.Files["code/orders.js"] })},
	{"manifest lists outside", "leaves its place", change(func(m *Manifest) { m.Files["code/../x"] = m.Files["code/orders.js"] })},
}

// pinned is a bundle that refers to acme/search@^1 and has those pins.
func pinned(pins ...Pin) func() ([]byte, error) {
	return change(func(m *Manifest) {
		m.Units[1].Pipeline.Uses = append(m.Units[1].Pipeline.Uses, "acme/search@^1#web")
		m.Pins = pins
	})
}

func TestHostile(t *testing.T) {
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			data, err := h.make()
			if err != nil {
				t.Fatal(err)
			}
			_, err = Open(data)
			f, ok := fault.As(err)
			if !ok || f.Code != fault.Invalid || !strings.Contains(f.Message, h.says) || f.Hint == "" {
				t.Fatalf("Open: %v, want a fault.Invalid with %q and a hint", err, h.says)
			}
		})
	}
}

// TestPackRefuses: the writer holds itself to the rules for names and content.
func TestPackRefuses(t *testing.T) {
	for _, name := range []string{"code/../x", ManifestName, "code/Orders.js", "signatures/x", "signatures/0000000000000001.dsse.json", "x.js"} {
		m, files := sample()
		files[name] = []byte("x")
		if _, _, err := Pack(m, files); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("Pack with %q: %v", name, err)
		}
	}
}

// TestDenseFile: what the reader would take for a bomb is stored by the writer.
func TestDenseFile(t *testing.T) {
	m, files := sample()
	files["assets/zeros"] = make([]byte, 8<<20)
	data, _, err := Pack(m, files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(data); err != nil {
		t.Fatal(err)
	}
}

// unit is the tool of the sample in a sorted manifest.
func unit(m *Manifest) *Unit {
	u, _ := m.Unit("orders.get")
	return u
}

// good is the sample's manifest as packed, and all its files by name.
func good() (*Manifest, map[string][]byte, []string, error) {
	m, files := sample()
	if _, _, err := Pack(m, files); err != nil {
		return nil, nil, nil, err
	}
	raw, err := m.canonical()
	files[ManifestName] = raw
	return m, files, []string{ManifestName, "assets/empty.txt", "code/orders.js", "source/orders.ts"}, err
}

func fixed(s string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(s), nil }
}

func patch(f func([]byte) []byte) func() ([]byte, error) {
	return func() ([]byte, error) {
		data, _, err := Pack(sample())
		return f(data), err
	}
}

// local sets two bytes of the local header of code/orders.js.
func local(at int, v uint16) func() ([]byte, error) {
	return patch(func(b []byte) []byte {
		list, _ := readZip(b)
		binary.LittleEndian.PutUint16(b[int(list[2].offset)+at:], v)
		return b
	})
}

// central sets two bytes of the central header of the first entry.
func central(at int, v uint16) func() ([]byte, error) {
	return patch(func(b []byte) []byte {
		binary.LittleEndian.PutUint16(b[bytes.Index(b, centralSig)+at:], v)
		return b
	})
}

// both changes one (compressed) entry consistently in both its headers: the
// manifest for 0, the last one for -1.
func both(i int, f func(*entry)) func() ([]byte, error) {
	return patch(func(b []byte) []byte {
		list, _ := readZip(b)
		end := bytes.Index(b, centralSig)
		e := &list[(i+len(list))%len(list)]
		f(e)
		copy(b[e.offset:], e.local(nil))
		return append(b[:end], directory(list)...)
	})
}

// padded has a byte between the last entry's data and the directory that its
// header counts as data.
func padded() ([]byte, error) {
	b, _, err := Pack(sample())
	if err != nil {
		return nil, err
	}
	list, err := readZip(b)
	if err != nil {
		return nil, err
	}
	end := bytes.Index(b, centralSig)
	e := &list[len(list)-1]
	e.packed++
	out := append(slices.Clone(b[:end]), 0)
	copy(out[e.offset:], e.local(nil))
	return append(out, directory(list)...), nil
}

func withFile(name string) func() ([]byte, error) {
	return func() ([]byte, error) {
		_, files, names, err := good()
		files[name] = []byte("x")
		at := 1
		for at < len(names) && names[at] < name {
			at++
		}
		if err != nil {
			return nil, err
		}
		return writeZip(slices.Insert(names, at, name), files)
	}
}

func withBody(name, body string) func() ([]byte, error) {
	return func() ([]byte, error) {
		_, files, names, err := good()
		if err != nil {
			return nil, err
		}
		files[name] = []byte(body)
		return writeZip(names, files)
	}
}

func zipOf(f func([]string) []string) func() ([]byte, error) {
	return func() ([]byte, error) {
		_, files, names, err := good()
		if err != nil {
			return nil, err
		}
		return writeZip(f(names), files)
	}
}

func manifest(text string) func() ([]byte, error) { return withBody(ManifestName, text) }

// edit replaces the last occurrence in the manifest's text.
func edit(old, replacement string) func() ([]byte, error) {
	return func() ([]byte, error) {
		_, files, names, err := good()
		if err != nil {
			return nil, err
		}
		raw := string(files[ManifestName])
		i := strings.LastIndex(raw, old)
		if i < 0 {
			return nil, fmt.Errorf("%q is not in the manifest", old)
		}
		files[ManifestName] = []byte(raw[:i] + replacement + raw[i+len(old):])
		return writeZip(names, files)
	}
}

// change writes a canonical manifest that breaks a rule.
func change(f func(*Manifest)) func() ([]byte, error) {
	return func() ([]byte, error) {
		m, files, names, err := good()
		if err != nil {
			return nil, err
		}
		f(m)
		if files[ManifestName], err = m.canonical(); err != nil {
			return nil, err
		}
		return writeZip(names, files)
	}
}

// sealing is a signature on its way into a bundle.
type sealing struct {
	st   sign.Statement
	path string
}

// withSignature adds a sound signature that f has made wrong.
func withSignature(f func(*sealing)) func() ([]byte, error) {
	return func() ([]byte, error) {
		m, files, names, err := good()
		if err != nil {
			return nil, err
		}
		key, err := sign.NewKey()
		if err != nil {
			return nil, err
		}
		s := sealing{sign.Statement{Name: m.Name, Version: m.Version, Digest: string(digest(files[ManifestName]))}, signaturePath(key.Public.ID)}
		f(&s)
		env, err := key.Seal(s.st)
		files[s.path] = env.Bytes()
		if err != nil {
			return nil, err
		}
		return writeZip(slices.Insert(names, slices.Index(names, "source/orders.ts"), s.path), files)
	}
}

func many() ([]byte, error) {
	_, files, names, err := good()
	for i := range MaxEntries {
		name := fmt.Sprintf("source/z%04d", i)
		files[name] = nil
		names = append(names, name)
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(names[1:])
	return writeZip(names, files)
}
