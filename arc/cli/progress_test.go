package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// shown is what a command that prints on stderr shows there, in a time of its own.
func shown(t *testing.T, env map[string]string, json bool, do func(a *app)) string {
	t.Helper()
	var stderr bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		a := &app{out: &bytes.Buffer{}, err: &stderr, in: strings.NewReader(""), json: json, env: func(k string) string { return env[k] }}
		if err := a.startProgress(); err != nil {
			t.Fatal(err)
		}
		do(a)
	})
	return stderr.String()
}

func threeSteps(a *app) {
	s := a.step("compile", "p", 0)
	time.Sleep(50 * time.Millisecond)
	_ = s.end(nil)
	s = a.step("push", "1.2.0", 2048)
	s.at(0, 2048)
	s.at(1024, 2048)
	time.Sleep(350 * time.Millisecond)
	a.note("a note")
	_ = s.end(nil)
	s = a.step("restart", "", 0)
	time.Sleep(6 * time.Second)
	_ = s.end(errors.New("boo\nhoo"))
}

func TestProgressPlain(t *testing.T) {
	want := "compile p: started\ncompile p: done, 50 ms\n" +
		"push 1.2.0: started\npush 1.2.0: 0%\npush 1.2.0: 50%\na note\npush 1.2.0: done, 350 ms\n" +
		"restart: started\nrestart: failed, 6.0 s\n"
	if diff := cmp.Diff(want, shown(t, map[string]string{"ARIA_PROGRESS": "plain"}, false, threeSteps)); diff != "" {
		t.Error(diff)
	}
	want = "push 1.2.0: 0%\npush 1.2.0: 50%\na note\nrestart: started\nrestart: failed, 6.0 s\n"
	if diff := cmp.Diff(want, shown(t, nil, false, threeSteps)); diff != "" {
		t.Errorf("auto, where there is no terminal: %s", diff)
	}
	if got := shown(t, map[string]string{"ARIA_PROGRESS": "plain"}, true, threeSteps); got != "" {
		t.Errorf("with --json: %q", got)
	}
}

// On a terminal a line is drawn over itself, gives way to what else is said, and
// leaves nothing behind.
func TestProgressTTY(t *testing.T) {
	const wipe, on, off = "\r\x1b[K", "\x1b[?7l", "\x1b[?7h"
	got := shown(t, map[string]string{"ARIA_PROGRESS": "tty"}, false, func(a *app) {
		s := a.step("compile", "p", 0)
		time.Sleep(150 * time.Millisecond)
		_ = s.end(nil) // too short to be seen
		s = a.step("push", "v\x1b[2J", 2048)
		s.at(1024, 2048)
		time.Sleep(350 * time.Millisecond)
		a.note("a note")
		time.Sleep(100 * time.Millisecond)
		resume := a.progress.pause()
		time.Sleep(time.Second) // a question waits for its answer
		resume()
		_ = s.end(nil)
	})
	text := `push v\x1b[2J, 1.0 KiB of 2.0 KiB, 50%`
	want := wipe + on + `\ ` + text + " 200 ms" + off + wipe + on + "| " + text + " 300 ms" + off +
		wipe + "a note\n" + wipe + on + "/ " + text + " 400 ms" + off + wipe
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestProgressRawJSON(t *testing.T) {
	schema := compileSchema(t, "progress", schemaOf(results()["progress"]))
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(shown(t, map[string]string{"ARIA_PROGRESS": "rawjson"}, false, threeSteps)), "\n") {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		var p progressLine
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatal(err)
		}
		got = append(got, p.Step+" "+p.State+" "+p.Detail+" "+bytesText(p.Bytes))
	}
	want := []string{"compile started p 0 B", "compile done p 0 B",
		"push started 1.2.0 0 B", "push running 1.2.0 0 B", "push running 1.2.0 1.0 KiB", "push done 1.2.0 1.0 KiB",
		"restart started  0 B", "restart failed boo 0 B"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
