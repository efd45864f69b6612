package arctsc

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bomb goes off where the compiler asks whether it should stop.
type bomb struct{ context.Context }

func (bomb) Err() error            { panic("bomb") }
func (bomb) Done() <-chan struct{} { panic("bomb") }
func (bomb) Value(any) any         { panic("bomb") }

// TestBreakdown: a panic inside the compiler becomes a problem.
func TestBreakdown(t *testing.T) {
	in := project1(t, "export const x: number = 1;\n")
	facts := Analyze(bomb{context.Background()}, in)
	if len(facts.Problems) != 1 {
		t.Fatalf("%+v", facts.Problems)
	}
	p := facts.Problems[0]
	if p.Code != "ARC0001" || !strings.Contains(p.Text, "bomb") || !strings.Contains(p.Trace, "arctsc") {
		t.Errorf("%+v", p)
	}
}

// TestHostileSource: whatever a file holds, Analyze comes back with a complaint
// or with facts, and never with a breakdown.
func TestHostileSource(t *testing.T) {
	head := "import { tool } from '@aria/sdk';\n"
	for name, text := range map[string]string{
		"empty":              "",
		"binary":             "\x00\xff\xfe\x01",
		"unfinished string":  head + "export const a = 'x",
		"deep parentheses":   head + "export const a = " + strings.Repeat("(", 500) + "1" + strings.Repeat(")", 500) + ";",
		"circular constants": head + "const a: any = b; const b: any = a; export class C { @tool({ name: a }) async f() {} }",
		"circular type":      head + "type T = T[]; export class C { @tool() async f(t: T): Promise<T> { return t; } }",
		"endless type":       head + "type N<T> = { v: T; next?: N<T[]> }; export class C { @tool() async f(n: N<string>): Promise<void> {} }",
		"class extends self": head + "export class C extends C { @tool() async f(): Promise<void> {} }",
		"no name":            head + "export default class { @tool() async f(): Promise<void> {} }",
		"computed name":      head + "const k = 'x'; export class C { @tool() async [k](): Promise<void> {} }",
		"symbol members":     head + "export class C { [Symbol.iterator]() {} ['x'] = 1; 2 = 3; static {} @tool() async f(): Promise<void> {} }",
		"dotted param":       head + "export class C { /** @param o.a.b what\n * @param {string} [q=1] opt\n * @returns */ @tool() async f(o: { a: string }, q?: string): Promise<void> {} }",
		"odd comments":       head + "/** @deprecated */ export class C { /** {@link } @type {x} @minimum */ @tool() async f(): Promise<void> {} }",
		"overloads":          head + "export class C { async f(a: string): Promise<void>; @tool() async f(a?: any): Promise<void> {} }",
		"this parameter":     head + "export class C { @tool() async f(this: C, a: string): Promise<void> {} }",
		"accessors":          head + "export class C { @tool() get f() { return 1; } @tool() accessor g = 1; @tool() h = async () => {}; }",
		"anonymous export":   head + "export default tool.fn(async () => 1);",
		"destructured const": head + "export const { a } = { a: tool.fn(async () => 1) };",
		"decorator alone":    head + "@tool() export class C {}",
		"no parameters":      head + "export const f = (tool as any).fn();",
	} {
		t.Run(name, func(t *testing.T) {
			facts := Analyze(context.Background(), project1(t, text))
			for _, p := range facts.Problems {
				if p.Code == "ARC0001" {
					t.Errorf("%s\n%s", p.Text, p.Trace)
				}
			}
		})
	}
}

// project1 is a project of one file and a very small SDK.
func project1(t *testing.T, text string) Input {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a.ts")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Input{Dir: dir, Files: []string{file}, SDK: "@aria/sdk", Handles: []string{"kv"},
		Types: "export declare const tool: { (o?: { name?: string }): (m: any, c: any) => void; fn<A extends any[], R>(f: (...a: A) => R): (...a: A) => R };\n"}
}
