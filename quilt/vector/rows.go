package vector

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/store"
)

// The vectors lie apart from the rest, so that going through the metadata does
// not go through them.
const tables = `
create table if not exists vec (
	id integer primary key autoincrement,
	space integer not null,
	key text not null,
	meta blob not null, -- JSON object
	text text not null,
	unique (space, key)
);
create table if not exists vec_data (id integer primary key, data blob not null); -- float32, little-endian, length 1
create table if not exists vec_space (space integer primary key, dims integer not null, model text not null);
`

// Bounds of documents and questions.
const (
	maxItems = 500
	maxKey   = 256
	maxText  = 32 << 10
	maxMeta  = 16 << 10
	maxDims  = 4096
	maxK     = 200
)

// Models: who made the vectors of a store.
const (
	modelOwn   = "own"   // llm/embed, of texts
	modelGiven = "given" // the unit
)

// doc is one document as a unit gives it.
type doc struct {
	ID   string          `json:"id"`
	V    []byte          `json:"v"` // float32, little-endian
	Text string          `json:"text"`
	Meta json.RawMessage `json:"meta"`
}

// row is a document on its way into the store.
type row struct {
	id   int64 // set by put
	key  string
	meta []byte
	text string
	v    []float32
}

type shape struct {
	space int64
	dims  int
	model string
}

func tooMany(n int) error {
	return fault.New(fault.Invalid, "%d documents in one operation; at most %d are allowed", n, maxItems).WithHint("go through them in parts")
}

// rows checks documents and makes vectors of texts that have none.
func (s *service) rows(ctx context.Context, a args) ([]row, shape, error) {
	sh := shape{dims: a.Dims}
	if len(a.Items) == 0 || len(a.Items) > maxItems {
		return nil, sh, tooMany(len(a.Items))
	}
	out := make([]row, 0, len(a.Items))
	for _, d := range a.Items {
		if err := d.check(); err != nil {
			return nil, sh, err
		}
		v, err := s.vectorOf(ctx, d, a.Dims)
		if err != nil {
			return nil, sh, err
		}
		model := modelGiven
		if len(d.V) == 0 {
			model = modelOwn
		}
		if sh.model == "" {
			sh.dims, sh.model = len(v), model
		}
		if sh.model != model {
			return nil, sh, fault.New(fault.Invalid, "one document has a vector and another has none").
				WithHint("give every document a vector, or a text and no vector")
		}
		if len(v) != sh.dims {
			return nil, sh, sh.differs(len(v))
		}
		meta := bytes.TrimSpace(d.Meta)
		if len(meta) == 0 || string(meta) == "null" {
			meta = []byte("{}")
		}
		out = append(out, row{key: d.ID, meta: bytes.Clone(meta), text: d.Text, v: v})
	}
	return out, sh, nil
}

func (d doc) check() error {
	switch {
	case d.ID == "" || len(d.ID) > maxKey || strings.ContainsAny(d.ID, "\x00\ufffd") || !utf8.ValidString(d.ID):
		return fault.New(fault.Invalid, "the id of a document is 1 to %d bytes of Unicode text; this one has %d bytes", maxKey, len(d.ID)).
			WithHint("shorten it, or hash the long part")
	case len(d.Text) > maxText:
		return fault.New(fault.Invalid, "the text of %q has %d bytes; at most %d are allowed", d.ID, len(d.Text), maxText).
			WithHint("split it into passages: only the first words of a long text count anyway")
	case len(d.Meta) > maxMeta:
		return fault.New(fault.Invalid, "the metadata of %q have %d bytes; at most %d are allowed", d.ID, len(d.Meta), maxMeta).
			WithHint("keep the large part in kv under the same id")
	}
	if m := bytes.TrimSpace(d.Meta); len(m) > 0 && m[0] != '{' && string(m) != "null" {
		return fault.New(fault.Invalid, "the metadata of %q are not an object", d.ID).WithHint("give fields: { lang: 'en' }")
	}
	return nil
}

// vectorOf is the document's vector, made of its text if it brings none.
func (s *service) vectorOf(ctx context.Context, d doc, dims int) ([]float32, error) {
	if len(d.V) > 0 {
		return unit(d.V, d.ID)
	}
	if strings.TrimSpace(d.Text) == "" {
		return nil, fault.New(fault.Invalid, "a document or question needs a vector or a text").WithHint("give vector or text")
	}
	if len(d.Text) > maxText {
		return nil, fault.New(fault.Invalid, "the text has %d bytes; at most %d are allowed", len(d.Text), maxText).WithHint("ask with fewer words")
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Cancelled, "the unit has ended")
	}
	defer func() { <-s.turn }()
	v, err := s.words.Embed(d.Text)
	if err != nil {
		return nil, err
	}
	if dims > 0 && dims != len(v) {
		return nil, fault.New(fault.Invalid, "texts become vectors of %d numbers, and this store has %d", len(v), dims).
			WithHint("leave dims out, or make the vectors yourself and pass vector")
	}
	if length(v) == 0 {
		return nil, fault.New(fault.Invalid, "no word of the text is known, so it has no vector").WithHint("the embedder knows English")
	}
	return v, nil
}

// agree writes down the shape with the first document and holds later ones to it.
func (sh shape) agree(tx *store.Tx, space int64) error {
	is := shape{space: space}
	err := tx.QueryRow(`select dims, model from vec_space where space = ?`, space).Scan(&is.dims, &is.model)
	if errors.Is(err, sql.ErrNoRows) {
		_, err := tx.Exec(`insert into vec_space (space, dims, model) values (?, ?, ?)`, space, sh.dims, sh.model)
		return err
	}
	if err != nil {
		return err
	}
	if is.dims != sh.dims {
		return is.differs(sh.dims)
	}
	if is.model != sh.model {
		return fault.New(fault.Invalid, "this store holds %s, and this is not one", map[string]string{modelOwn: "texts", modelGiven: "vectors that were given"}[is.model]).
			WithHint("vectors of different makers cannot be compared; use another store")
	}
	return nil
}

func (sh shape) differs(dims int) error {
	return fault.New(fault.Invalid, "a vector of %d numbers, where the store has %d", dims, sh.dims).
		WithHint("all vectors of a store come from one model")
}

// put writes the row over one of the same key, whose id it keeps.
func (r *row) put(tx *store.Tx, space int64, tenant string) error {
	var had int64
	err := tx.QueryRow(`select vec.id, length(key) + length(meta) + length(cast(text as blob)) + length(data)
		from vec join vec_data using (id) where space = ? and key = ?`, space, r.key).Scan(&r.id, &had)
	isNew := errors.Is(err, sql.ErrNoRows)
	if err != nil && !isNew {
		return err
	}
	items, size := int64(0), int64(len(r.key)+len(r.meta)+len(r.text)+4*len(r.v))
	if isNew {
		items = 1
	}
	if err := tx.Charge(tenant, items, size-had); err != nil {
		return err
	}
	if isNew {
		err = tx.QueryRow(`insert into vec (space, key, meta, text) values (?, ?, ?, ?) returning id`, space, r.key, r.meta, r.text).Scan(&r.id)
	} else {
		_, err = tx.Exec(`update vec set meta = ?, text = ? where id = ?`, r.meta, r.text, r.id)
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(`insert into vec_data (id, data) values (?, ?) on conflict (id) do update set data = excluded.data`, r.id, toBytes(r.v))
	return err
}

// removeRow returns the id of what is gone, 0 if nothing was there.
func removeRow(tx *store.Tx, space int64, key, tenant string) (int64, error) {
	var id, had int64
	err := tx.QueryRow(`select vec.id, length(key) + length(meta) + length(cast(text as blob)) + length(data)
		from vec join vec_data using (id) where space = ? and key = ?`, space, key).Scan(&id, &had)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if _, err := tx.Exec(`delete from vec where id = ?`, id); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(`delete from vec_data where id = ?`, id); err != nil {
		return 0, err
	}
	return id, tx.Charge(tenant, -1, -had)
}

// hit is one found document.
type hit struct {
	ID    string          `json:"id"`
	Score float64         `json:"score"`
	Meta  json.RawMessage `json:"meta"`
	Text  string          `json:"text,omitempty"`
}

type page struct {
	Hits []hit `json:"hits"`
}

// hits reads what was found. What is gone since then is left out.
func (s *service) hits(ctx context.Context, near []scored, least float64) (page, error) {
	out := page{Hits: []hit{}}
	for _, n := range near {
		if float64(n.score) < least {
			break
		}
		h := hit{Score: float64(n.score)}
		var meta []byte
		err := s.data.Reader().QueryRowContext(ctx, `select key, meta, text from vec where id = ?`, n.id).Scan(&h.ID, &meta, &h.Text)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return out, err
		}
		h.Meta = meta
		out.Hits = append(out.Hits, h)
	}
	return out, nil
}

// stored is a document as it is kept.
type stored struct {
	ID   string          `json:"id"`
	Meta json.RawMessage `json:"meta"`
	Text string          `json:"text,omitempty"`
	V    []byte          `json:"v"`
}

func (s *service) fetch(ctx context.Context, sp store.Space, ids []string) (any, error) {
	out := []stored{}
	for _, id := range ids {
		d := stored{ID: id}
		var meta []byte
		err := s.data.Reader().QueryRowContext(ctx, `select meta, text, data from vec join vec_data using (id)
			join space on space.id = vec.space where space.tenant = ? and space.name = ? and vec.key = ?`, sp.Tenant, sp.Name, id).
			Scan(&meta, &d.Text, &d.V)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		d.Meta = meta
		out = append(out, d)
	}
	return map[string]any{"items": out}, nil
}
