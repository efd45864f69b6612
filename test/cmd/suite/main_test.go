package main

import (
	"io"
	"os"
	"strings"
	"testing"
)

// TestDeadPackageSaysWhy: a package that ran out of time reports the test that
// hung, though that test never ended.
func TestDeadPackageSaysWhy(t *testing.T) {
	events := `{"Action":"output","Package":"p","Test":"TestGood","Output":"fine\n"}
{"Action":"pass","Package":"p","Test":"TestGood"}
{"Action":"output","Package":"p","Test":"TestHangs","Output":"panic: test timed out\n"}
{"Action":"output","Package":"p","Output":"FAIL p 720s\n"}
{"Action":"fail","Package":"p","Elapsed":720}`
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	c := readEvents(strings.NewReader(events))
	os.Stdout = stdout
	w.Close()
	said, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if c != (counts{passed: 1, failed: 1}) || !strings.Contains(string(said), "panic: test timed out\nFAIL p 720s") || strings.Contains(string(said), "fine") {
		t.Errorf("%+v\n%s", c, said)
	}
}
