package oci

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/ariacomputecompany/firmware/bundle/oci"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// tags lists the versions of a bundle, sorted as the spec wants it: by bytes.
func (h *Handler) tags(q request) error {
	tags := []string{}
	for _, b := range h.reg.Named(q.repo) {
		if tag, err := oci.Tag(b.Version); err == nil {
			tags = append(tags, tag)
		}
	}
	if len(tags) == 0 {
		return known("NAME_UNKNOWN", fault.New(fault.NotFound, "no bundle %q is registered here", q.repo).WithHint("see arc ls bundles"))
	}
	slices.Sort(tags)
	query := q.URL.Query()
	if last := query.Get("last"); last != "" {
		i, found := slices.BinarySearch(tags, last)
		if found {
			i++
		}
		tags = tags[i:]
	}
	if n, err := strconv.Atoi(query.Get("n")); err == nil && n >= 0 && n < len(tags) {
		tags = tags[:n]
		if n > 0 {
			next := url.Values{"n": {strconv.Itoa(n)}, "last": {tags[n-1]}}
			q.w.Header().Set("Link", fmt.Sprintf(`<%s%s/tags/list?%s>; rel="next"`, Prefix, q.repo, next.Encode()))
		}
	}
	body, err := json.Marshal(map[string]any{"name": q.repo, "tags": tags})
	if err != nil {
		return fmt.Errorf("tags: %w", err)
	}
	return send(q, "application/json", "", body)
}

// getManifest finds a bundle's manifest by tag or digest, a referrer's by digest.
func (h *Handler) getManifest(q request) error {
	entries, err := h.entries(q.repo)
	if err != nil {
		return err
	}
	if !oci.ValidDigest(q.id) {
		version, _ := oci.Version(q.id)
		for _, e := range entries {
			if e.version == version {
				return send(q, oci.ManifestType, e.self.Digest, e.manifest)
			}
		}
		return known("MANIFEST_UNKNOWN", fault.New(fault.NotFound, "%s has no version %.140q here", q.repo, version))
	}
	for _, e := range entries {
		if e.self.Digest == q.id {
			return send(q, oci.ManifestType, q.id, e.manifest)
		}
		for _, r := range e.attached {
			if r.digest == q.id {
				return send(q, oci.ManifestType, q.id, r.body)
			}
		}
	}
	body, ok, err := h.refs.one(q.Context(), q.repo, q.id)
	if err != nil {
		return err
	}
	if !ok {
		if body, ok = h.stage.get(q.id); !ok || !isManifest(body) {
			return known("MANIFEST_UNKNOWN", fault.New(fault.NotFound, "%s has no manifest %s here", q.repo, q.id))
		}
	}
	return send(q, oci.ManifestType, q.id, body)
}

func isManifest(body []byte) bool {
	_, err := oci.Parse(body)
	return err == nil
}

func (h *Handler) getBlob(q request) error {
	if !oci.ValidDigest(q.id) {
		return known("DIGEST_INVALID", fault.New(fault.Invalid, "%.100q is not a digest", q.id))
	}
	body, ok, err := h.find(q, q.id)
	if err != nil {
		return err
	}
	if !ok {
		return known("BLOB_UNKNOWN", fault.New(fault.NotFound, "%s has no blob %s here", q.repo, q.id))
	}
	return send(q, "application/octet-stream", q.id, body)
}

// find looks for a blob where blobs can be: in a bundle, with a referrer, or
// half pushed.
func (h *Handler) find(q request, digest string) ([]byte, bool, error) {
	body, ok, err := h.blob(q.repo, digest)
	if err != nil || ok {
		return body, ok, err
	}
	body, ok, err = h.refs.blob(q.Context(), q.repo, digest)
	if err != nil || ok {
		return body, ok, err
	}
	if digest == oci.Digest(oci.Empty) {
		return oci.Empty, true, nil
	}
	body, ok = h.stage.get(digest)
	return body, ok, nil
}
