package find_test

import (
	"errors"
	"testing"

	"github.com/ariacomputecompany/firmware/llm/embed"
	"github.com/ariacomputecompany/firmware/llm/find"
)

// shelf remembers vectors, as a store does.
type shelf map[string][]byte

func (s shelf) Load(sentence string) []byte    { return s[sentence] }
func (s shelf) Save(sentence string, v []byte) { s[sentence] = v }

var docs = []find.Doc{
	{Name: "orders.create", Text: "Create a new order. An order is what a buyer wants to have delivered."},
	{Name: "orders.delete", Text: "Delete an order for good. An order is what a buyer wants to have delivered."},
	{Name: "orders.list", Text: "List all orders. An order is what a buyer wants to have delivered."},
	{Name: "weather.forecast", Text: "Tell tomorrow's weather in a city."},
	{Name: "ping", Text: ""},
}

func TestSearch(t *testing.T) {
	kept := shelf{}
	x := find.New(embed.New().Embed, kept)
	for request, want := range map[string]string{
		"get rid of what the buyer wanted":      "orders.delete",
		"which purchases are there?":            "orders.list",
		"will it rain in Oslo?":                 "weather.forecast",
		"the buyer would like another delivery": "orders.create",
	} {
		hits, err := x.Search(t.Context(), docs, request, 2)
		if err != nil || len(hits) != 2 || docs[hits[0].At].Name != want {
			t.Errorf("%q: %v %v, want %s", request, hits, err, want)
		}
	}
	// What was kept needs no embedder but for the request.
	calls := 0
	real := embed.New()
	again := find.New(func(s string) ([]float32, error) { calls++; return real.Embed(s) }, kept)
	if _, err := again.Search(t.Context(), docs, "rain", 1); err != nil || calls != 1 {
		t.Errorf("%d sentences were read again: %v", calls, err)
	}
	if hits, err := x.Search(t.Context(), nil, "rain", 3); err != nil || len(hits) != 0 {
		t.Errorf("nothing to search: %v %v", hits, err)
	}
	broken := find.New(func(string) ([]float32, error) { return nil, errors.New("no model") }, nil)
	if _, err := broken.Search(t.Context(), docs, "rain", 1); err == nil {
		t.Error("a broken embedder goes unnoticed")
	}
}

// What was learned is not made again by a search.
func TestLearn(t *testing.T) {
	made := map[string]int{}
	x := find.New(func(text string) ([]float32, error) {
		made[text]++
		return []float32{1, 0}, nil
	}, nil)
	doc := find.Doc{Name: "orders.get", Text: "Gives an order. It has lines."}
	for _, want := range []int{2, 0} {
		if n, err := x.Learn(t.Context(), doc); err != nil || n != want {
			t.Errorf("%d sentences were new, want %d (%v)", n, want, err)
		}
	}
	if _, err := x.Search(t.Context(), []find.Doc{doc}, "which order?", 1); err != nil {
		t.Fatal(err)
	}
	if len(made) != 3 || made["Gives an order"] != 1 || made["It has lines."] != 1 {
		t.Errorf("%v", made)
	}
}
