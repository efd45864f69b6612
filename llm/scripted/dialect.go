package scripted

import (
	"encoding/json"
	"net/http"
	"strings"
)

// dialect is how one provider's form reads requests and writes answers.
type dialect struct {
	key  func(h http.Header) string // the credential that was sent
	read func(body []byte, path string) (Request, error)
	say  func(s say)
	fail func(w http.ResponseWriter, status int, text string)
}

var (
	chat      = dialect{bearer, func(b []byte, _ string) (Request, error) { return readChat(b) }, say.all, fail}
	responses = dialect{bearer, func(b []byte, _ string) (Request, error) { return readResponses(b) }, say.responses, fail}
	anthropic = dialect{func(h http.Header) string { return h.Get("X-Api-Key") },
		func(b []byte, _ string) (Request, error) { return readAnthropic(b) }, say.anthropic, failAnthropic}
	gemini = dialect{func(h http.Header) string { return h.Get("X-Goog-Api-Key") }, readGemini, say.gemini, failGemini}
)

func bearer(h http.Header) string { return strings.TrimPrefix(h.Get("Authorization"), "Bearer ") }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", s.serve(chat))
	mux.HandleFunc("POST /v1/responses", s.serve(responses))
	mux.HandleFunc("POST /v1/messages", s.serve(anthropic))
	mux.HandleFunc("POST /v1beta/models/{call}", s.serve(gemini))
	mux.HandleFunc("POST /v1/embeddings", s.embeddings)
	mux.HandleFunc("GET /v1/models", s.models)
	mux.HandleFunc("GET /v1beta/models", s.models)
	return mux
}

// embeddings answers with three numbers an input: its length, its words and 1.
// It takes no turn of the script.
func (s *Server) embeddings(w http.ResponseWriter, req *http.Request) {
	var r struct {
		Model string          `json:"model"`
		Input json.RawMessage `json:"input"`
	}
	if err := json.NewDecoder(req.Body).Decode(&r); err != nil || r.Model == "" {
		fail(w, 400, "no model, or no JSON")
		return
	}
	if s.script.Key != "" && bearer(req.Header) != s.script.Key {
		fail(w, 401, "Incorrect API key provided")
		return
	}
	var inputs []string
	var one string
	if json.Unmarshal(r.Input, &one) == nil {
		inputs = []string{one}
	} else if json.Unmarshal(r.Input, &inputs) != nil {
		fail(w, 400, "input is neither text nor a list of texts")
		return
	}
	data, words := []dict{}, 0
	for i, in := range inputs {
		n := len(strings.Fields(in))
		words += n
		data = append(data, dict{"object": "embedding", "index": i, "embedding": []float64{float64(len(in)), float64(n), 1}})
	}
	write(w, dict{"object": "list", "data": data, "model": r.Model, "usage": dict{"prompt_tokens": words, "total_tokens": words}})
}

func (s *Server) models(w http.ResponseWriter, req *http.Request) {
	h := req.Header
	if k := s.script.Key; k != "" && bearer(h) != k && h.Get("X-Api-Key") != k && h.Get("X-Goog-Api-Key") != k {
		fail(w, 401, "Incorrect API key provided")
		return
	}
	write(w, dict{"object": "list", "data": []dict{{"id": "m", "object": "model", "owned_by": "script", "created": 0}},
		"models": []dict{{"name": "models/m"}}})
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
