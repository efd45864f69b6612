package telemetry

import "strconv"

// The JSON form of OTLP's trace export request, as far as it is used here.

const (
	kindInternal = 1
	kindClient   = 3
	statusError  = 2
)

type span struct {
	Trace      string      `json:"traceId"`
	ID         string      `json:"spanId"`
	Parent     string      `json:"parentSpanId,omitempty"`
	Name       string      `json:"name"`
	Kind       int         `json:"kind"`
	Start      string      `json:"startTimeUnixNano"`
	End        string      `json:"endTimeUnixNano"`
	Attributes []attribute `json:"attributes"`
	Status     *status     `json:"status,omitempty"`
}

type attribute struct {
	Key   string         `json:"key"`
	Value map[string]any `json:"value"`
}

type status struct {
	Code int `json:"code"`
}

func (s *span) set(key, value string) {
	s.Attributes = append(s.Attributes, attribute{key, map[string]any{"stringValue": value}})
}

func (s *span) count(key string, n int64) {
	s.Attributes = append(s.Attributes, attribute{key, map[string]any{"intValue": strconv.FormatInt(n, 10)}})
}

func (s *span) list(key string, values ...string) {
	var out []any
	for _, v := range values {
		out = append(out, map[string]any{"stringValue": v})
	}
	s.Attributes = append(s.Attributes, attribute{key, map[string]any{"arrayValue": map[string]any{"values": out}}})
}

func (s *span) fail(failed bool, code string) {
	if failed {
		s.Status = &status{statusError}
		s.set("error.type", code)
	}
}

func envelope(version string, spans []span) any {
	text := func(k, v string) attribute { return attribute{k, map[string]any{"stringValue": v}} }
	return map[string]any{"resourceSpans": []any{map[string]any{
		"resource":   map[string]any{"attributes": []attribute{text("service.name", "ariad"), text("service.version", version)}},
		"scopeSpans": []any{map[string]any{"scope": map[string]string{"name": "aria"}, "spans": spans}},
	}}}
}
