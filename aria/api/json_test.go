package api

import (
	"strings"
	"testing"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

func TestJSONBodies(t *testing.T) {
	c := jsonCodec{"json"}
	for _, x := range []struct{ shows, body, want string }{
		{"a good one", `{"run":"r"}`, ""},
		{"fields of a newer client are passed over", `{"run":"r","later":1}`, ""},
		{"cut off", `{"run":`, "the body is not this message as JSON: "},
		{"not an object", `[]`, "unexpected token ["},
		{"another type", `{"run":7}`, "invalid value for string field run: 7"},
		{"empty", ``, "the body is empty"},
	} {
		err := c.Unmarshal([]byte(x.body), &ariav1.CancelRequest{})
		if x.want == "" {
			if err != nil {
				t.Errorf("%s: %v", x.shows, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), x.want) || !strings.Contains(err.Error(), "(hint: send one JSON object with run, reason)") {
			t.Errorf("%s: %v", x.shows, err)
		}
	}
	if err := c.Unmarshal([]byte(`x`), &ariav1.StartRequest{}); err == nil || !strings.Contains(err.Error(), "input (base64)") {
		t.Errorf("bytes are base64 on this wire: %v", err)
	}
	raw, err := c.Marshal(&ariav1.CancelRequest{Run: "r"})
	if err != nil || !strings.Contains(string(raw), `"run"`) {
		t.Errorf("%s %v", raw, err)
	}
}
