package test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

const hookSecret = "whsec-not-a-real-one"

func mac(message string) []byte {
	h := hmac.New(sha256.New, []byte(hookSecret))
	h.Write([]byte(message))
	return h.Sum(nil)
}

// TestHooks calls units over HTTP as other services do.
func TestHooks(t *testing.T) {
	p := needPair(t)
	if out, code := p.arc(t, "upload", "testdata/hooks"); code != 0 {
		t.Fatalf("upload: exit code %d\n%s", code, out)
	}
	credential, err := os.ReadFile(p.credential)
	if err != nil {
		t.Fatal(err)
	}
	bearer := map[string]string{"Authorization": "Bearer " + strings.TrimSpace(string(credential))}
	call := func(shows, verb, path, body string, header map[string]string, code int, want string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), verb, p.server+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range header {
			req.Header.Set(k, v)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != code || !strings.Contains(string(text), want) {
			t.Errorf("%s: %d %s (%v), want %d with %s", shows, res.StatusCode, text, err, code, want)
		}
	}
	with := func(more ...string) map[string]string {
		out := map[string]string{"Authorization": bearer["Authorization"]}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}

	call("answers at once", "POST", "/hooks/shop/paid", `{"id":"a","cents":5}`, bearer, 202, `"run":"run_`)
	call("or with the output", "POST", "/hooks/shop/paid?wait", `{"id":"b","cents":5}`, bearer, 200, `{"id":"b","cents":5,"times":1}`)
	call("the same call again is the same run", "POST", "/hooks/shop/paid?wait", `{"id":"c","cents":5}`, with("Idempotency-Key", "k1"), 200, `"times":1`)
	call("the same call again is the same run", "POST", "/hooks/shop/paid?wait", `{"id":"c","cents":5}`, with("Idempotency-Key", "k1"), 200, `"times":1`)
	call("a wait that is too short", "POST", "/hooks/shop/slow?wait=100ms", ``, bearer, 202, `"state":"running"`)
	call("a wait that is nonsense", "POST", "/hooks/shop/slow?wait=x", ``, bearer, 400, `no time to wait`)
	call("GET takes its query", "GET", "/hooks/shop/seen?id=b&twice=true&wait=10s", ``, bearer, 200, `2`)
	call("a unit that fails", "POST", "/hooks/shop/bad?wait", ``, bearer, 422, `out of stock`)
	call("input that does not fit", "POST", "/hooks/shop/paid", `{"id":7}`, bearer, 400, `input`)
	call("another method", "GET", "/hooks/shop/paid", ``, bearer, 400, `is called with POST`)
	call("no such path", "POST", "/hooks/nothing", ``, bearer, 404, `no unit is called`)
	call("no credential", "POST", "/hooks/shop/paid", `{}`, nil, 401, `no credential`)
	call("no credential tells nothing of paths", "POST", "/hooks/nothing", `{}`, nil, 401, `no credential`)
	call("a wrong credential", "POST", "/hooks/shop/signed", `{}`, map[string]string{"Authorization": "Bearer x"}, 401, `not the one`)
	call("a large body", "POST", "/hooks/shop/paid", `{"id":"`+strings.Repeat("a", 2<<20)+`"}`, bearer, 400, `more than 1 MiB`)

	body, now := `{"id":"s"}`, fmt.Sprint(time.Now().Unix())
	sign := func(at string) map[string]string {
		return map[string]string{"X-Aria-Signature": "t=" + at + ",v1=" + hex.EncodeToString(mac(at+"."+body))}
	}
	call("the secret is not there yet", "POST", "/hooks/shop/signed", body, sign(now), 503, `not set`)
	set := p.Arc(t.Context(), "secret", "set", "SHOP_HOOK")
	set.Stdin = strings.NewReader(hookSecret)
	if out, err := set.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	call("signed with a time", "POST", "/hooks/shop/signed?wait", body, sign(now), 200, `1`)
	call("sent again it is the same call", "POST", "/hooks/shop/signed?wait", body, sign(now), 200, `1`)
	call("an old signature", "POST", "/hooks/shop/signed", body, sign(fmt.Sprint(time.Now().Add(-time.Hour).Unix())), 401, `time is not within`)
	call("another body", "POST", "/hooks/shop/signed", `{"id":"x"}`, sign(now), 401, `not that of this call`)
	call("no signature", "POST", "/hooks/shop/signed", body, nil, 401, `neither`)
	call("a time that was not signed", "POST", "/hooks/shop/signed", body,
		map[string]string{"X-Aria-Signature": "t=" + now + "0,v1=" + hex.EncodeToString(mac(now+"."+body))}, 401, `signature`)
	call("as code forges sign", "POST", "/hooks/shop/signed?wait", body,
		map[string]string{"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac(body)), "X-GitHub-Delivery": "d1"}, 200, `2`)
	call("sent again by somebody else, under another delivery id", "POST", "/hooks/shop/signed?wait", body,
		map[string]string{"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac(body)), "X-GitHub-Delivery": "d2"}, 200, `2`)
	call("or another key", "POST", "/hooks/shop/signed?wait", body, map[string]string{"Idempotency-Key": "new",
		"X-Aria-Signature": sign(now)["X-Aria-Signature"]}, 200, `1`)
	call("as Standard Webhooks sign", "POST", "/hooks/shop/signed?wait", body,
		map[string]string{"Webhook-Id": "m1", "Webhook-Timestamp": now,
			"Webhook-Signature": "v1," + base64.StdEncoding.EncodeToString(mac("m1."+now+"."+body))}, 200, `3`)
	call("a unit without a secret cannot be signed for", "POST", "/hooks/shop/paid", body, sign(now), 401, `no credential`)
	call("the credential will do instead", "POST", "/hooks/shop/signed?wait", body, bearer, 200, `4`)
	if strings.Contains(p.Log(), hookSecret) {
		t.Error("the secret is in the log")
	}
}
