package api

import "testing"

func TestPrometheus(t *testing.T) {
	got := prometheus([]Figure{
		{Name: "a", Help: "A.", Value: 1, Labels: map[string]string{"y": "2", "x": "a\"b\\\n"}},
		{Name: "b", Help: "B.", Counter: true, Value: 1e9},
		{Name: "a", Help: "A.", Value: 0.5},
	})
	want := "# HELP a A.\n# TYPE a gauge\na{x=\"a\\\"b\\\\\\n\",y=\"2\"} 1\na 0.5\n# HELP b B.\n# TYPE b counter\nb 1e+09\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
