package llmgate

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/llm/scripted"
)

// llm.chat speaks whatever the provider speaks, tools and schemas included, and
// under limits too: nothing that our own dialects send is unbounded.
func TestChatSpeaksEveryDialect(t *testing.T) {
	for _, c := range []struct{ model, token string }{
		{"openai:m", "llm:openai:m?budget=100000"}, {"newer:m", "llm:newer:m?budget=100000"},
		{"anthropic:m", "llm:anthropic:m?budget=100000"}, {"gemini:m", "llm:gemini:m?budget=100000"},
	} {
		t.Run(c.model, func(t *testing.T) {
			d := newDesk(t, scripted.Script{Key: secret, Turns: []scripted.Turn{
				{Calls: []scripted.Call{{Name: "orders_get", Arguments: json.RawMessage(`{"id":"A-17"}`)}}, Usage: &scripted.Usage{Input: 11, Output: 4}},
				{Expect: scripted.Expect{LastRole: "tool", Contains: []string{"shipped"}}, Text: `{"answer":"it has shipped"}`},
			}}, "", c.token)
			first := `{"role":"user","text":"where is A-17?"}`
			got, err := d.op("llm.chat", `{"model":"`+c.model+`","messages":[`+first+`],"tools":[{"name":"orders.get",
				"schema":{"type":"object","properties":{"id":{"type":"string"}},"required":["id"],"additionalProperties":false}}],"choice":"required","temperature":0}`)
			var r chatAnswer
			if err != nil || json.Unmarshal([]byte(got), &r) != nil || len(r.ToolCalls) != 1 || r.ToolCalls[0].Name != "orders.get" || r.Usage.Tokens() != 15 {
				t.Fatalf("%s, %v", got, err)
			}
			calls, _ := json.Marshal(r.ToolCalls)
			got, err = d.op("llm.chat", `{"model":"`+c.model+`","messages":[`+first+`,{"role":"assistant","toolCalls":`+string(calls)+`},
				{"role":"tool","callId":"`+r.ToolCalls[0].ID+`","tool":"orders.get","text":"{\"status\":\"shipped\"}"}],
				"output":{"type":"object","properties":{"answer":{"type":"string"}},"required":["answer"],"additionalProperties":false}}`)
			if err != nil || !strings.Contains(got, `it has shipped`) {
				t.Errorf("%s, %v", got, err)
			}
			if err := d.server.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}
