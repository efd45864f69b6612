package share

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ariacomputecompany/firmware/bundle/oci"
)

// plainRegistry is an OCI registry of the simplest kind: it knows nothing of
// bundles, overwrites what it is told to, and has no referrers API, so that
// clients must keep referrers in an index under a tag.
type plainRegistry struct {
	mu        sync.Mutex
	blobs     map[string][]byte
	manifests map[string][]byte // by repo@digest
	types     map[string]string // of manifests, by digest
	tags      map[string]string // repo:tag to digest
	// spoil changes what GET answers with.
	spoil func(path string, body []byte) []byte
}

// serve starts one and gives its host.
func serve(t *testing.T) (*plainRegistry, string) {
	t.Helper()
	r := &plainRegistry{blobs: map[string][]byte{}, manifests: map[string][]byte{}, types: map[string]string{}, tags: map[string]string{}}
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	return r, strings.TrimPrefix(srv.URL, "http://")
}

func (r *plainRegistry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, _ := io.ReadAll(q.Body)
	parts := strings.Split(strings.TrimPrefix(q.URL.Path, "/v2/"), "/")
	n := len(parts)
	switch {
	case n < 3:
		w.WriteHeader(http.StatusOK)
	case parts[n-1] == "list":
		r.list(w, strings.Join(parts[:n-2], "/"))
	case q.Method == http.MethodPost:
		w.Header().Set("Location", q.URL.Path+"1")
		w.WriteHeader(http.StatusAccepted)
	case q.Method == http.MethodPut && parts[n-2] == "uploads":
		r.blobs[q.URL.Query().Get("digest")] = body
		w.WriteHeader(http.StatusCreated)
	case parts[n-2] == "manifests":
		r.manifest(w, q, strings.Join(parts[:n-2], "/"), parts[n-1], body)
	case parts[n-2] == "blobs":
		got, ok := r.blobs[parts[n-1]]
		r.send(w, q, got, ok, parts[n-1], "application/octet-stream")
	default:
		http.NotFound(w, q)
	}
}

func (r *plainRegistry) manifest(w http.ResponseWriter, q *http.Request, repo, ref string, body []byte) {
	if q.Method == http.MethodPut {
		d := oci.Digest(body)
		r.manifests[repo+"@"+d], r.types[d] = body, q.Header.Get("Content-Type")
		if !oci.ValidDigest(ref) {
			r.tags[repo+":"+ref] = d
		}
		w.WriteHeader(http.StatusCreated)
		return
	}
	if !oci.ValidDigest(ref) {
		ref = r.tags[repo+":"+ref]
	}
	got, ok := r.manifests[repo+"@"+ref]
	r.send(w, q, got, ok, ref, r.types[ref])
}

func (r *plainRegistry) send(w http.ResponseWriter, q *http.Request, body []byte, ok bool, digest, mediaType string) {
	if !ok {
		http.NotFound(w, q)
		return
	}
	if r.spoil != nil {
		body = r.spoil(q.URL.Path, slices.Clone(body))
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", digest)
	if q.Method != http.MethodHead {
		_, _ = w.Write(body)
		return
	}
	w.Header().Set("Content-Length", itoa(len(body)))
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func (r *plainRegistry) list(w http.ResponseWriter, repo string) {
	tags := []string{}
	for k := range r.tags {
		if tag, ok := strings.CutPrefix(k, repo+":"); ok {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	_ = json.NewEncoder(w).Encode(map[string]any{"name": repo, "tags": tags})
}
