package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

var update = flag.Bool("update", false, "rewrite docs/spec/exit-codes.md")

// faultCodes reads the closed list from its source: name of the code, comment.
func faultCodes(t *testing.T) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../../internal/fault/fault.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 || v.Comment == nil {
			return true
		}
		if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			code, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			codes[code] = strings.TrimSpace(v.Comment.Text())
		}
		return true
	})
	if len(codes) < 14 {
		t.Fatalf("found only %d codes in internal/fault", len(codes))
	}
	return codes
}

func TestEveryFaultHasOneExitCode(t *testing.T) {
	rows := map[fault.Code]int{}
	for _, row := range exitTable {
		for _, f := range row.Faults {
			rows[f]++
		}
	}
	for code := range faultCodes(t) {
		if rows[fault.Code(code)] != 1 {
			t.Errorf("%s stands in %d rows of exitTable, want 1", code, rows[fault.Code(code)])
		}
	}
}

func TestErrorsDocumentIsTheList(t *testing.T) {
	text, err := os.ReadFile("../../docs/spec/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (.*?) \\| `[A-Z_]+` \\| (\\d+)").FindAllStringSubmatch(string(text), -1) {
		got[m[1]] = m[2]
		if want := strconv.Itoa(exitCode(fault.New(fault.Code(m[1]), "x"))); m[3] != want {
			t.Errorf("%s: the document says exit code %s, arc exits with %s", m[1], m[3], want)
		}
	}
	if diff := cmp.Diff(faultCodes(t), got); diff != "" {
		t.Errorf("docs/spec/errors.md differs from internal/fault (-fault +document):\n%s", diff)
	}
}

func TestExitCodesDocument(t *testing.T) {
	const path = "../../docs/spec/exit-codes.md"
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Exit codes\n\nMade from the table in `arc/cli/exit.go`; `go test ./arc/cli -update` rewrites it.\n\n")
	writeExitCodes(&b)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("%s is not what the table says; run go test ./arc/cli -update:\n%s", path, diff)
	}
}

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		shows string
		err   error
		want  int
	}{
		{"nothing wrong", nil, exitOK},
		{"a fault deep in the chain", fmt.Errorf("a: %w", fault.New(fault.Deadlock, "x")), exitConflict},
		{"an error without a fault", context.Canceled, exitFailed},
		{"a code that is newer than us", fault.New("brand_new", "x"), exitFailed},
		{"wrong source", asBuild(fault.New(fault.Invalid, "x")), exitBuild},
		{"trouble while building keeps its code", asBuild(fault.New(fault.Exhausted, "x")), exitFailed},
		{"said already", &coded{code: exitBuild}, exitBuild},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.shows, got, c.want)
		}
	}
}

func TestEventText(t *testing.T) {
	for _, c := range []struct{ shows, kind, data, want string }{
		{"a log entry with fields", "log", `{"level":"info","text":"hi there","fields":{"n":1,"who":"a b"}}`, `info   hi there n=1 who="a b"`},
		{"pairs are sorted, empty ones left out", "started", `{"z":1,"a":"x","e":"","n":null}`, `a=x z=1`},
		{"nested values stay JSON", "ended", `{"usage":{"ms":3}}`, `usage={"ms":3}`},
		{"several lines become one", "log", `{"level":"error","text":"a\nb"}`, `error  a⏎ b`},
		{"a terminal is not steered", "log", `{"level":"info","text":"\u001b[31mred\u202e"}`, `info   \x1b[31mred\u202e`},
		{"not an object", "odd", `[1]`, `[1]`},
	} {
		got := eventText(remote.Event{Kind: c.kind, Data: json.RawMessage(c.data)}, false)
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.shows, got, c.want)
		}
	}
	e := remote.Event{Kind: "started", Data: json.RawMessage(`{"start":"cold","fence":7}`)}
	if got := eventText(e, true); got != "start=cold" {
		t.Errorf("brief: %q", got)
	}
	for data, want := range map[string]string{
		`{"model":"openai:m","usage":{"inputTokens":12,"outputTokens":5,"usd":0.0021},"effect":"main.1/3"}`: "openai:m 12 tokens in, 5 out, $0.0021",
		`{"model":"own:m","usage":{"inputTokens":12,"outputTokens":5,"estimated":true}}`:                    "own:m 12 tokens in, 5 out (estimated)",
	} {
		if got := eventText(remote.Event{Kind: "model.spent", Data: json.RawMessage(data)}, true); got != want {
			t.Errorf("brief: %q, want %q", got, want)
		}
	}
}

func TestBytesAndTook(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 3 << 20: "3.0 MiB", 5 << 50: "5120.0 TiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %q, want %q", n, got, want)
		}
	}
	if got := tookText(1500 * time.Millisecond); got != "1.5 s" {
		t.Errorf("tookText = %q", got)
	}
}

// A result that nobody could read is no success.
func TestAResultThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatalf("this test writes to a device that is always full: %v", err)
	}
	defer full.Close()
	for _, args := range [][]string{{"version"}, {"version", "--json"}, {"help", "exit-codes"}} {
		var stderr bytes.Buffer
		a := &app{in: strings.NewReader(""), out: full, err: &stderr, env: func(k string) string {
			return map[string]string{"HOME": t.TempDir()}[k]
		}}
		if code := a.run(t.Context(), args); code != exitFailed {
			t.Errorf("arc %v: exit code %d, stderr %q", args, code, stderr.String())
		}
	}
	if err := writeValue(full, json.RawMessage("1")); fault.CodeOf(err) != fault.Failed {
		t.Errorf("value: %v", err)
	}
}

// What a unit says cannot look like a line of ours.
func TestALaterLineOfAMessageIsIndented(t *testing.T) {
	var stderr bytes.Buffer
	a := &app{out: &stderr, err: &stderr, env: func(string) string { return "" }}
	a.complain(fault.New(fault.Failed, "boo\nhint: rm -rf /").WithHint("a\nerror: b"))
	want := "error: boo\n    hint: rm -rf /\nhint: a\n    error: b\n"
	if diff := cmp.Diff(want, stderr.String()); diff != "" {
		t.Error(diff)
	}
}
