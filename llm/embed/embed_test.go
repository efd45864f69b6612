package embed

import (
	"encoding/json"
	"math"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func dot(a, b []float32) float64 {
	var s float64
	for i := range a {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}

// The reference was computed with the package's own JavaScript and float32
// weights; testdata/README says how.
func TestReference(t *testing.T) {
	b, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var refs []struct {
		Text   string
		Vector []float32
	}
	if err := json.Unmarshal(b, &refs); err != nil {
		t.Fatal(err)
	}
	if len(refs) < 10 {
		t.Fatalf("only %d references", len(refs))
	}
	e := New()
	for _, r := range refs {
		v, err := e.Embed(r.Text)
		if err != nil {
			t.Fatal(err)
		}
		if cos := dot(v, r.Vector); cos < 0.999 || len(v) != Size {
			t.Errorf("cosine %.5f, size %d: %q", cos, len(v), r.Text)
		}
	}
}

func TestMeaning(t *testing.T) {
	e := New()
	at := func(s string) []float32 {
		v, err := e.Embed(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	near := dot(at("send an email to the customer"), at("mail a message to a client"))
	far := dot(at("send an email to the customer"), at("delete the orders table"))
	if near < far+0.15 {
		t.Errorf("near %.3f, far %.3f", near, far)
	}
}

func TestOddTexts(t *testing.T) {
	e := New()
	long := make([]byte, 1<<20)
	for i := range long {
		long[i] = "ab "[i%3]
	}
	for _, s := range []string{"", " ", "\x00\xff\xfe", "東京", string(long)} {
		v, err := e.Embed(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range v {
			if math.IsNaN(float64(x)) || len(v) != Size {
				t.Fatalf("%.20q: no vector", s)
			}
		}
	}
	if n := len(e.recent); n != 4 {
		t.Errorf("%d texts kept, want 4: very long ones are not", n)
	}
}

func TestForgetsWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New()
		if _, err := e.Embed("hello"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(keepFor + time.Second)
		if _, ok := e.recall("hello"); ok {
			t.Error("still kept after an idle minute")
		}
	})
}

func TestBrokenFile(t *testing.T) {
	for _, b := range []string{"", "nonsense", magic + "\xff\xff\xff\x7f", magic + "\x02\x00\x00\x00xx"} {
		if _, err := open(b); err == nil {
			t.Errorf("%q was opened", b)
		}
	}
}

func BenchmarkEmbed(b *testing.B) {
	f, err := open(useBin)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		f.embed("where is my order and when will it arrive")
	}
}
