package oci

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// beginUpload opens an upload; with ?digest= the body is all of it. A mount
// from another repository is answered as if it were none, as the spec allows.
func (h *Handler) beginUpload(q request) error {
	id, err := h.stage.begin()
	if err != nil {
		return err
	}
	if digest := q.URL.Query().Get("digest"); digest != "" {
		q.id = id
		return h.endUpload(q)
	}
	return h.accepted(q, id, 0, http.StatusAccepted)
}

func (h *Handler) patchUpload(q request) error {
	want := int64(-1)
	if from, _, ok := strings.Cut(q.Header.Get("Content-Range"), "-"); ok {
		if n, err := strconv.ParseInt(from, 10, 64); err == nil {
			want = n
		}
	}
	size, err := h.stage.add(q.id, want, q.Body)
	if err != nil {
		return err
	}
	return h.accepted(q, q.id, size, http.StatusAccepted)
}

func (h *Handler) endUpload(q request) error {
	if _, err := h.stage.add(q.id, -1, q.Body); err != nil {
		return err
	}
	digest := q.URL.Query().Get("digest")
	if err := h.stage.end(q.id, digest); err != nil {
		return err
	}
	header := q.w.Header()
	header.Set("Location", Prefix+q.repo+"/blobs/"+digest)
	header.Set("Docker-Content-Digest", digest)
	q.w.WriteHeader(http.StatusCreated)
	return nil
}

func (h *Handler) statUpload(q request) error {
	size, err := h.stage.size(q.id)
	if err != nil {
		return err
	}
	return h.accepted(q, q.id, size, http.StatusNoContent)
}

func (h *Handler) dropUpload(q request) error {
	path, err := h.stage.upload(q.id)
	if err != nil {
		return err
	}
	if os.Remove(path) != nil {
		return unknownUpload()
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Handler) accepted(q request, id string, size int64, status int) error {
	header := q.w.Header()
	header.Set("Location", Prefix+q.repo+"/blobs/uploads/"+id)
	header.Set("Docker-Upload-UUID", id)
	header.Set("Range", fmt.Sprintf("0-%d", max(0, size-1)))
	q.w.WriteHeader(status)
	return nil
}
