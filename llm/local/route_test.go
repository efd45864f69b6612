package local

import (
	"testing"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/embed"
)

var routes = []struct{ tool, about, asked string }{
	{"send_email", "Send an email message to a recipient", "shoot a mail to bob about the launch"},
	{"get_weather", "Get the current weather forecast for a city", "is it going to rain in Oslo tomorrow"},
	{"create_invoice", "Create an invoice for a customer with line items", "bill ACME for 3 hours of consulting"},
	{"refund_payment", "Refund a payment to a customer", "give the client their money back"},
	{"search_web", "Search the web for a query and return links", "google the best pizza place"},
	{"read_file", "Read the contents of a file from disk", "open config.yaml and show it to me"},
	{"write_file", "Write text to a file on disk", "save these notes as notes.txt"},
	{"run_sql", "Run a SQL query against the database", "select all users from the users table"},
	{"translate_text", "Translate text from one language to another", "how do you say good morning in Japanese"},
	{"summarize", "Summarize a long text into a short paragraph", "give me the tl;dr of this article"},
	{"resize_image", "Resize an image to a given width and height", "make this picture 200 pixels wide"},
	{"convert_currency", "Convert an amount of money between currencies", "how many euros is 50 dollars"},
	{"schedule_meeting", "Schedule a calendar meeting with attendees", "set up a call with Ann on Friday at 3pm"},
	{"list_orders", "List the orders placed by a customer", "what has customer 42 bought"},
	{"cancel_order", "Cancel an order by its id", "I no longer want order 991, stop it"},
	{"restart_service", "Restart a server or service", "the api server is stuck, bounce it"},
	{"tail_logs", "Show the latest log lines of a service", "what is nginx printing right now"},
	{"deploy_app", "Deploy a new version of an application", "ship version 2.3 to production"},
	{"geocode", "Find latitude and longitude of an address", "where is 10 Downing Street on the map"},
	{"hash_password", "Hash a password securely", "store hunter2 safely"},
}

// The figures are what was measured when this was written; they may only rise.
func TestRouting(t *testing.T) {
	const first, firstThree = 17, 17
	var tools []llm.Tool
	for _, r := range routes {
		tools = append(tools, llm.Tool{Name: r.tool, Description: r.about})
	}
	p := New(embed.New().Embed)
	top, three := 0, 0
	for _, r := range routes {
		ranked, err := p.rank(r.asked, tools)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range ranked[:3] {
			if s.tool.Name != r.tool {
				continue
			}
			three++
			if i == 0 {
				top++
			}
		}
		if ranked[0].tool.Name != r.tool {
			t.Logf("%q: %s %.2f, %s %.2f", r.asked, ranked[0].tool.Name, ranked[0].score, ranked[1].tool.Name, ranked[1].score)
		}
	}
	t.Logf("right tool first %d of %d, in the first three %d", top, len(routes), three)
	if top < first || three < firstThree {
		t.Errorf("first %d, want %d; first three %d, want %d", top, first, three, firstThree)
	}
}
