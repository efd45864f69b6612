package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// guard lets only the bearer of the credential through.
func (s *server) guard(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(s.Credential))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := bearer(r)
		// Hashes have one length, so comparing them tells nothing by its time.
		got := sha256.Sum256([]byte(given))
		switch {
		case given == "":
			s.refuse(w, r, fault.New(fault.Unauthenticated, "the request bears no credential").
				WithHint(`send "Authorization: Bearer …" with the contents of ariad's credential file`))
		case s.Credential == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1:
			s.refuse(w, r, fault.New(fault.Unauthenticated, "the credential is not the one of this instance").
				WithHint("read it again from ariad's credential file"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// protocolPrefix carries the credential where a browser's WebSocket can set no
// header.
const protocolPrefix = "bearer."

// ociPrefix is where the bundles are served as an OCI registry.
const ociPrefix = "/v2/"

func bearer(r *http.Request) string {
	if scheme, value, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(value)
	}
	if _, password, ok := r.BasicAuth(); ok && strings.HasPrefix(r.URL.Path, ociPrefix) {
		return password // what clients of OCI registries send; any name will do
	}
	if p := offered(r); p != "" {
		return strings.TrimPrefix(p, protocolPrefix)
	}
	return ""
}

// offered is the WebSocket subprotocol that carries the credential, if any.
func offered(r *http.Request) string {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(line, ",") {
			if p = strings.TrimSpace(p); strings.HasPrefix(p, protocolPrefix) {
				return p
			}
		}
	}
	return ""
}
