package local

import (
	"testing"

	"github.com/ariacomputecompany/firmware/llm"
)

// desk is the toolbox of examples/orders.
func desk() []llm.Tool {
	const id = `"id":{"type":"string","description":"the number on the receipt"}`
	return []llm.Tool{
		{Name: "orders.get", Description: "Look up one order.", Schema: raw(`{"type":"object","properties":{` + id + `},"required":["id"],"additionalProperties":false}`)},
		{Name: "orders.add", Description: "Take a new order.", Schema: raw(`{"type":"object","properties":{` + id + `,"buyer":{"type":"string","description":"who orders"},"total":{"type":"number","description":"the price in cents","minimum":1}},"required":["id","buyer","total"],"additionalProperties":false}`)},
		{Name: "orders.pay", Description: "Mark an open order as paid.", Schema: raw(`{"type":"object","properties":{` + id + `},"required":["id"],"additionalProperties":false}`)},
		{Name: "orders.refund", Description: "Pay the whole price of a paid order back to the buyer.", Schema: raw(`{"type":"object","properties":{` + id + `,"reason":{"type":"string","description":"why the buyer gets the money back","default":"as requested"}},"required":["id"],"additionalProperties":false}`)},
		{Name: "orders.list", Description: "List orders in the order of their numbers.", Schema: raw(`{"type":"object","properties":{"status":{"enum":["open","paid","refunded"]},"limit":{"type":"number","default":20,"minimum":1,"maximum":100}},"additionalProperties":false}`)},
		{Name: "orders.total", Description: "Add up what paid orders are worth.", Schema: raw(`{"type":"object","properties":{},"additionalProperties":false}`)},
	}
}

func TestDesk(t *testing.T) {
	p := New(encoder.Embed)
	for _, c := range []struct{ words, call string }{
		{"Where is order A-17?", `orders.get {"id":"A-17"}`},
		{"where is A-17", `orders.get {"id":"A-17"}`},
		{"what is the status of order A-17?", `orders.get {"id":"A-17"}`},
		{"Please look up order A-17 and tell me its status", `orders.get {"id":"A-17"}`},
		{"take a new order A-18 for Bo, total 2500", `orders.add {"buyer":"Bo","id":"A-18","total":2500}`},
		{"add an order A-18 by Bo for 2500 cents", `orders.add {"buyer":"Bo","id":"A-18","total":2500}`},
		{"mark A-17 as paid", `orders.pay {"id":"A-17"}`},
		{"give the buyer of A-17 his money back", `orders.refund {"id":"A-17"}`},
		{`I want my money back for A-17, reason "broken"`, `orders.refund {"id":"A-17","reason":"broken"}`},
		{"list all paid orders", `orders.list {"status":"paid"}`},
		{"which orders are open?", `orders.list {"status":"open"}`},
		{"how much are the paid orders worth?", `orders.total {}`},
		{"pay A-17 and then refund A-17", `orders.pay {"id":"A-17"}`},
		{"hello there", ""},
		{"tell me a joke", ""},
		{"who are you", ""},
	} {
		req := user(c.words)
		req.Tools = desk()
		got := ""
		if r := turn(t, p, req); len(r.ToolCalls) > 0 {
			got = r.ToolCalls[0].Name + " " + r.ToolCalls[0].Arguments
		}
		if got != c.call {
			t.Errorf("%s: got %q, want %q", c.words, got, c.call)
		}
	}
}

// A question must never change anything, whatever its words are near to.
func TestQuestionsChangeNothing(t *testing.T) {
	for _, words := range []string{"Has order A-17 been paid?", "Is A-17 paid?", "did you refund A-17?", "was A-17 paid back", "when was order A-17 refunded?"} {
		for name, p := range both() {
			req := user(words)
			req.Tools = desk()
			if r := turn(t, p, req); len(r.ToolCalls) != 1 || r.ToolCalls[0].Name != "orders.get" {
				t.Errorf("%s: %s: got %+v", name, words, r)
			}
		}
	}
}
