// Package oci serves the registered bundles as an OCI registry (distribution
// spec 1.1) under /v2/, so that two instances exchange bundles with no third
// place. A repository is a bundle's name, a tag is a version, and the manifest
// of a bundle is the one that package bundle/oci makes of its file: there is no
// second store. To push is to upload, with the same checks; what came halfway
// lies in a staging folder and is swept. Signatures, SBOMs and yanks are
// referrers, and the only ones taken. Nothing can be deleted or overwritten.
//
// It does not check the caller: aria/api lets nobody through without the
// credential.
package oci

import (
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Prefix of every path that Handler serves.
const Prefix = "/v2/"

// Handler is the registry's HTTP face. It is safe for concurrent use.
type Handler struct {
	reg   *registry.Registry
	refs  *referrers
	stage *stage
	log   *slog.Logger

	pushing sync.Mutex // one manifest at a time: look, then write

	mu    sync.Mutex
	known map[bundle.Digest]*entry // what each registered bundle is in OCI's terms
}

// New serves reg. Referrers are kept in db, unfinished pushes under dir, which
// is made if need be.
func New(reg *registry.Registry, db *sql.DB, dir string, log *slog.Logger) (*Handler, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("staging folder: %w", err)
	}
	if _, err := db.Exec(schema); err != nil {
		return nil, fmt.Errorf("referrers: %w", err)
	}
	h := &Handler{reg: reg, refs: &referrers{db}, stage: &stage{dir: dir}, log: log, known: map[bundle.Digest]*entry{}}
	return h, h.stage.sweep(0)
}

// ServeHTTP routes: a repository's name may hold slashes, so the patterns of
// http.ServeMux do not fit.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	rest := strings.TrimPrefix(r.URL.Path, Prefix)
	if rest == "" {
		h.only(w, r, h.alive, http.MethodGet, http.MethodHead)
		return
	}
	name, what, id := split(rest)
	if what == "" {
		h.fail(w, r, known("UNSUPPORTED", fault.New(fault.NotFound, "there is nothing at %.200q", r.URL.Path)))
		return
	}
	if !bundle.ValidName(name) {
		h.fail(w, r, known("NAME_INVALID", fault.New(fault.Invalid, "%.200q is not the name of a bundle", name).
			WithHint("a repository here is a bundle's name: acme/search")))
		return
	}
	q := request{w: w, Request: r, repo: name, id: id}
	switch what {
	case "tags":
		h.serve(q, map[string]handler{http.MethodGet: h.tags})
	case "manifests":
		h.serve(q, map[string]handler{http.MethodGet: h.getManifest, http.MethodHead: h.getManifest, http.MethodPut: h.putManifest})
	case "blobs":
		h.serve(q, map[string]handler{http.MethodGet: h.getBlob, http.MethodHead: h.getBlob})
	case "referrers":
		h.serve(q, map[string]handler{http.MethodGet: h.listReferrers})
	case "uploads":
		if id == "" {
			h.serve(q, map[string]handler{http.MethodPost: h.beginUpload})
			return
		}
		h.serve(q, map[string]handler{http.MethodPatch: h.patchUpload, http.MethodPut: h.endUpload,
			http.MethodGet: h.statUpload, http.MethodDelete: h.dropUpload})
	}
}

// request is one request to a repository.
type request struct {
	*http.Request
	w    http.ResponseWriter
	repo string
	id   string // tag, digest or upload
}

type handler func(request) error

func (h *Handler) serve(q request, methods map[string]handler) {
	do := methods[q.Method]
	if do == nil {
		h.fail(q.w, q.Request, notAllowed(q.Method))
		return
	}
	if err := do(q); err != nil {
		h.fail(q.w, q.Request, err)
	}
}

func (h *Handler) only(w http.ResponseWriter, r *http.Request, do http.HandlerFunc, methods ...string) {
	for _, m := range methods {
		if r.Method == m {
			do(w, r)
			return
		}
	}
	h.fail(w, r, notAllowed(r.Method))
}

func (h *Handler) alive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{}"))
}

// split takes the path apart from its end: NAME/tags/list,
// NAME/manifests/REF, NAME/blobs/DIGEST, NAME/blobs/uploads/[ID],
// NAME/referrers/DIGEST.
func split(rest string) (name, what, id string) {
	parts := strings.Split(rest, "/")
	n := len(parts)
	switch {
	case n >= 4 && parts[n-3] == "blobs" && parts[n-2] == "uploads":
		return strings.Join(parts[:n-3], "/"), "uploads", parts[n-1]
	case n >= 3 && parts[n-2] == "blobs" && parts[n-1] == "uploads":
		return strings.Join(parts[:n-2], "/"), "uploads", ""
	case n >= 3 && parts[n-2] == "tags" && parts[n-1] == "list":
		return strings.Join(parts[:n-2], "/"), "tags", ""
	case n >= 3 && (parts[n-2] == "manifests" || parts[n-2] == "blobs" || parts[n-2] == "referrers") && parts[n-1] != "":
		return strings.Join(parts[:n-2], "/"), parts[n-2], parts[n-1]
	}
	return "", "", ""
}
