package share

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/bundle/oci"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

// attach puts a yank of a version into a registry that carries blob: what anybody
// can do who may push there.
func attach(t *testing.T, p Place, version, blobType string, blob []byte, notes map[string]string) {
	t.Helper()
	c := New(Options{})
	repo, err := c.repository(p)
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.resolve(t.Context(), repo, p, version)
	if err != nil {
		t.Fatal(err)
	}
	body := oci.Describe(blobType, blob)
	var m oci.Manifest
	raw := oci.Attach(oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest.String(), Size: d.Size}, oci.YankType, body)
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	for k, v := range notes {
		m.Annotations[k] = v
	}
	if raw, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if err := refer(t.Context(), repo, raw, body, blob); err != nil {
		t.Fatal(err)
	}
}

// Only who may speak for a bundle takes it back. Whatever else says so is passed
// on as what it is, and stops nothing.
func TestYankAuthority(t *testing.T) {
	k, stranger := newKey(t), newKey(t)
	impostor := newKey(t)
	impostor.Public.ID = k.Public.ID
	search := spec{name: "acme/search", version: "1.0.0", keys: []sign.SecretKey{k}}
	about := search.make(t).Statement()
	other := spec{name: "acme/search", version: "1.0.0", note: "other contents"}.make(t).Statement()
	elsewhere := about
	elsewhere.Name = "free/search"
	by := func(key sign.SecretKey, st sign.Statement) []byte {
		y, err := key.Yank(st, "it loses orders", time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		return y.Bytes()
	}
	signature, err := k.Seal(about)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		shows, blobType string
		blob            []byte
		notes           map[string]string
		claimed         string
	}{
		{"unsigned, as before yanks were signed", oci.EmptyType, oci.Empty, map[string]string{oci.AnnotationReason: "so they say"}, "so they say"},
		{"unsigned, without a reason", oci.EmptyType, oci.Empty, nil, "no reason given"},
		{"by a key that nobody trusts", oci.EnvelopeType, by(stranger, about), nil, "it loses orders"},
		{"by another key under a trusted id", oci.EnvelopeType, by(impostor, about), nil, "it loses orders"},
		{"of other contents", oci.EnvelopeType, by(k, other), nil, "it loses orders"},
		{"of a bundle of another name", oci.EnvelopeType, by(k, elsewhere), nil, "it loses orders"},
		{"a signature in a yank's place", oci.EnvelopeType, signature.Bytes(), nil, "no reason given"},
		{"something large", oci.EnvelopeType, bytes.Repeat([]byte{' '}, sign.MaxEnvelope+1), nil, "no reason given"},
	} {
		_, host := serve(t)
		publish(t, host, search)
		place := Place(host + "/acme/search")
		attach(t, place, "1.0.0", c.blobType, c.blob, c.notes)
		in := installer(t, k)
		got, err := in.Install(t.Context(), Wish{Name: "acme/search", Range: "^1", From: host})
		if err != nil {
			t.Errorf("%s: %v", c.shows, err)
			continue
		}
		if got[0].Claimed != c.claimed || got[0].Yanked != "" {
			t.Errorf("%s: claimed %q, yanked %q", c.shows, got[0].Claimed, got[0].Yanked)
		}
		late, err := in.Client.Outdated(t.Context(), in.Lock)
		if err != nil || len(late) != 1 || late[0].Claimed != c.claimed || late[0].Yanked != "" || !late[0].Behind() {
			t.Errorf("%s: outdated %+v %v", c.shows, late, err)
		}

		// The author's own word beside it counts.
		if _, err := New(Options{}).Yank(t.Context(), place, "acme/search", "1.0.0", "it is broken", k); err != nil {
			t.Errorf("%s: %v", c.shows, err)
			continue
		}
		_, err = installer(t, k).Install(t.Context(), Wish{Name: "acme/search", Range: "^1", From: host})
		wants(t, err, fault.Denied, "1.0.0 was taken back by its author: it is broken")
		if late, err = in.Client.Outdated(t.Context(), in.Lock); err != nil || late[0].Yanked != "it is broken" || late[0].Claimed != "" {
			t.Errorf("%s: outdated %+v %v", c.shows, late, err)
		}
		// Who does not trust that key hears it, and is not stopped.
		free := installer(t, newKey(t))
		free.Judge = func(*bundle.Bundle) (string, error) { return "", nil }
		if got, err := free.Install(t.Context(), Wish{Name: "acme/search", Range: "^1", From: host}); err != nil || got[0].Claimed == "" {
			t.Errorf("%s: %+v %v", c.shows, got, err)
		}
	}
}

// The same key saying the same again adds nothing; another bundle than the one
// that is named is not signed about.
func TestYankAgain(t *testing.T) {
	_, host := serve(t)
	k := newKey(t)
	publish(t, host, spec{name: "acme/search", version: "1.0.0"})
	place := Place(host + "/acme/search")
	yank := func(name, reason string) (Taken, error) {
		return New(Options{}).Yank(t.Context(), place, name, "1.0.0", reason, k)
	}
	var got []bool
	for _, reason := range []string{"one", "one", "two"} {
		y, err := yank("acme/search", reason)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, y.Already)
	}
	if diff := cmp.Diff([]bool{false, true, false}, got); diff != "" {
		t.Error(diff)
	}
	_, err := yank("acme/desk", "")
	wants(t, err, fault.Denied, "holds another bundle: acme/search 1.0.0")
}
