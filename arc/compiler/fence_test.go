package compiler

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/arc/diag"
)

// laid writes files below a new folder, its real place; a value "-> X" is a link
// to X.
func laid(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		at := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(at), 0o755)
		if to, link := strings.CutPrefix(text, "-> "); err == nil && link {
			err = os.Symlink(filepath.Join(dir, to), at)
		} else if err == nil {
			err = os.WriteFile(at, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A bundle holds the project and its packages. What a link or a path in a
// package's code leads to elsewhere on the author's machine is refused, and
// nothing of it is in what was built.
func TestFence(t *testing.T) {
	const secret = "hunter2"
	tool := func(head, value string) string {
		return "import { tool } from '@aria/sdk';\n" + head +
			"\nexport class A {\n  @tool() async a(): Promise<string> { return JSON.stringify(" + value + "); }\n}\n"
	}
	pkg := `{"name":"p","main":"index.js","types":"index.d.ts"}`
	types := "export const s: unknown;\n"
	for _, c := range []struct {
		shows string
		files map[string]string
		fails bool
	}{
		{"a link to a file elsewhere", map[string]string{"creds.json": `{"k":"hunter2"}`, "at/src/link.json": "-> creds.json",
			"at/src/a.ts": tool("import s from './link.json'", "s")}, true},
		{"a link that only types are taken from", map[string]string{"creds.json": `{"k":"hunter2"}`, "at/src/link.json": "-> creds.json",
			"at/src/a.ts": tool("import type s from './link.json'", "null as typeof s | null")}, true},
		{"a linked folder", map[string]string{"else/b.ts": "export const s = 'hunter2'", "at/src/lib": "-> else",
			"at/src/a.ts": tool("import { s } from './lib/b.ts'", "s")}, true},
		{"a path in a package's code", map[string]string{"creds.txt": secret, "at/node_modules/p/package.json": pkg, "at/node_modules/p/index.d.ts": types,
			"at/node_modules/p/index.js": "import s from '../../../creds.txt'; export { s }", "at/src/a.ts": tool("import { s } from 'p'", "s")}, true},
		{"a folder that is linked as if it were a package", map[string]string{"home/creds.json": `{"k":"hunter2"}`, "at/node_modules/p": "-> home",
			"at/src/a.ts": tool("import s from 'p/creds.json'", "s")}, true},
		{"code beside the project that has types of its own", map[string]string{"out.mjs": "export const s = 'hunter2'", "out.d.mts": types,
			"at/src/a.ts": tool("import { s } from '../../out.mjs'", "s")}, true},
		{"a package", map[string]string{"at/node_modules/p/package.json": pkg, "at/node_modules/p/index.d.ts": types,
			"at/node_modules/p/index.js": "export const s = 'fine'", "at/src/a.ts": tool("import { s } from 'p'", "s")}, false},
		{"a package of a folder above", map[string]string{"node_modules/p/package.json": pkg, "node_modules/p/index.d.ts": types,
			"node_modules/p/index.js": "export const s = 'fine'", "at/src/a.ts": tool("import { s } from 'p'", "s")}, false},
		{"packages of a workspace, one by the other", map[string]string{"ws/p/package.json": pkg, "ws/p/index.d.ts": types,
			"ws/p/index.js": "export { s } from '@o/q'", "ws/p/node_modules/@o/q": "-> ws/q", "ws/q/package.json": strings.Replace(pkg, `"p"`, `"@o/q"`, 1),
			"ws/q/index.js": "export const s = 'fine'", "at/node_modules/p": "-> ws/p", "at/src/a.ts": tool("import { s } from 'p'", "s")}, false},
		{"a package in a store, and what it needs beside it", map[string]string{"store/x/node_modules/p/package.json": pkg, "store/x/node_modules/p/index.d.ts": types,
			"store/x/node_modules/p/index.js": "export { s } from '@o/q'", "store/x/node_modules/@o/q": "-> store/y/node_modules/@o/q",
			"store/y/node_modules/@o/q/package.json": strings.Replace(pkg, `"p"`, `"@o/q"`, 1), "store/y/node_modules/@o/q/index.js": "export const s = 'fine'",
			"at/node_modules/p": "-> store/x/node_modules/p", "at/src/a.ts": tool("import { s } from 'p'", "s")}, false},
		{"a link inside the project", map[string]string{"at/data.json": `{"k":"fine"}`, "at/src/link.json": "-> at/data.json",
			"at/src/a.ts": tool("import s from './link.json'", "s")}, false},
	} {
		dir := laid(t, c.files)
		res, err := Build(context.Background(), Options{Project: Project{Dir: filepath.Join(dir, "at"), Name: "demo", Version: "1.0.0", Files: []string{"src/a.ts"}}})
		if err != nil {
			t.Errorf("%s: %v", c.shows, err)
			continue
		}
		refused := slices.ContainsFunc(res.Messages, func(m diag.Message) bool { return m.Code == "ARC4005" })
		if c.fails != refused || c.fails == (res.Bundle != nil) || bytes.Contains(res.Bundle, []byte(secret)) {
			t.Errorf("%s: refused %v, %d bytes: %v", c.shows, refused, len(res.Bundle), res.Messages)
		}
	}
}
