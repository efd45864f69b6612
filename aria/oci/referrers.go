package oci

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/ariacomputecompany/firmware/bundle/oci"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// maxReferrers of one bundle.
const maxReferrers = 64

const schema = `CREATE TABLE IF NOT EXISTS oci_referrers (
	repo TEXT NOT NULL, digest TEXT NOT NULL, subject TEXT NOT NULL, artifact TEXT NOT NULL,
	body BLOB NOT NULL, blob TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (repo, digest));
CREATE INDEX IF NOT EXISTS oci_subjects ON oci_referrers (repo, subject);`

// referrer is a manifest that is about another.
type referrer struct {
	subject  string
	artifact string
	digest   string
	body     []byte
}

func newReferrer(subject, artifact string, body []byte) referrer {
	return referrer{subject, artifact, oci.Digest(body), body}
}

// referrers are those that were pushed; what follows from a bundle's own file
// is in its entry.
type referrers struct{ db *sql.DB }

// add keeps a referrer with the blob it carries. The same again changes nothing.
func (s *referrers) add(ctx context.Context, repo string, r referrer, blob string, content []byte) error {
	var n int
	err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM oci_referrers WHERE repo = ? AND subject = ? AND digest != ?`,
		repo, r.subject, r.digest).Scan(&n)
	if err != nil {
		return fmt.Errorf("referrers: %w", err)
	}
	if n >= maxReferrers {
		return fault.New(fault.Exhausted, "%s already has %d referrers to that version, as many as it may", repo, n)
	}
	_, err = s.db.ExecContext(ctx, `INSERT OR IGNORE INTO oci_referrers VALUES (?,?,?,?,?,?,?)`,
		repo, r.digest, r.subject, r.artifact, r.body, blob, content)
	if err != nil {
		return fmt.Errorf("referrers: %w", err)
	}
	return nil
}

func (s *referrers) of(ctx context.Context, repo, subject string) ([]referrer, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT digest, artifact, body FROM oci_referrers WHERE repo = ? AND subject = ? ORDER BY digest`, repo, subject)
	if err != nil {
		return nil, fmt.Errorf("referrers: %w", err)
	}
	defer rows.Close()
	var out []referrer
	for rows.Next() {
		r := referrer{subject: subject}
		if err := rows.Scan(&r.digest, &r.artifact, &r.body); err != nil {
			return nil, fmt.Errorf("referrers: %w", err)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// one finds a pushed referrer by its digest.
func (s *referrers) one(ctx context.Context, repo, digest string) ([]byte, bool, error) {
	return s.look(ctx, `SELECT body FROM oci_referrers WHERE repo = ? AND digest = ?`, repo, digest)
}

// blob finds the content that a pushed referrer carries.
func (s *referrers) blob(ctx context.Context, repo, digest string) ([]byte, bool, error) {
	return s.look(ctx, `SELECT content FROM oci_referrers WHERE repo = ? AND blob = ? LIMIT 1`, repo, digest)
}

func (s *referrers) look(ctx context.Context, query, repo, digest string) ([]byte, bool, error) {
	var out []byte
	err := s.db.QueryRowContext(ctx, query, repo, digest).Scan(&out)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("referrers: %w", err)
	}
	return out, true, nil
}

// about lists everything that refers to a manifest, each once.
func (h *Handler) about(ctx context.Context, repo, subject string) ([]referrer, error) {
	out, err := h.refs.of(ctx, repo, subject)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, r := range out {
		seen[r.digest] = true
	}
	entries, err := h.entries(repo)
	for _, e := range entries {
		for _, r := range e.attached {
			if r.subject == subject && !seen[r.digest] {
				out = append(out, r)
			}
		}
	}
	return out, err
}

// listReferrers answers with an index, empty where nothing refers.
func (h *Handler) listReferrers(q request) error {
	if !oci.ValidDigest(q.id) {
		return known("DIGEST_INVALID", fault.New(fault.Invalid, "%.100q is not a digest", q.id))
	}
	all, err := h.about(q.Context(), q.repo, q.id)
	if err != nil {
		return err
	}
	wanted := q.URL.Query().Get("artifactType")
	index := struct {
		SchemaVersion int              `json:"schemaVersion"`
		MediaType     string           `json:"mediaType"`
		Manifests     []oci.Descriptor `json:"manifests"`
	}{2, oci.IndexType, []oci.Descriptor{}}
	for _, r := range all {
		if wanted != "" && r.artifact != wanted {
			continue
		}
		d := oci.Describe(oci.ManifestType, r.body)
		d.ArtifactType = r.artifact
		if m, err := oci.Parse(r.body); err == nil {
			d.Annotations = m.Annotations
		}
		index.Manifests = append(index.Manifests, d)
	}
	body, err := json.Marshal(index)
	if err != nil {
		return fmt.Errorf("referrers: %w", err)
	}
	if wanted != "" {
		q.w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	return send(q, oci.IndexType, "", body)
}

// send answers with content; to HEAD only with its headers.
func send(q request, mediaType, digest string, body []byte) error {
	header := q.w.Header()
	header.Set("Content-Type", mediaType)
	header.Set("Content-Length", fmt.Sprint(len(body)))
	header.Set("X-Content-Type-Options", "nosniff")
	if digest != "" {
		header.Set("Docker-Content-Digest", digest)
	}
	if q.Method != http.MethodHead {
		_, _ = q.w.Write(body)
	}
	return nil
}
