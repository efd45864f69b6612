package api

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"sort"
	"strings"
	"time"
)

// Figure is one number for a monitoring system. Names and meanings are in
// docs/spec/metrics.md.
type Figure struct {
	Name, Help string
	Counter    bool              // it only rises; else it is a gauge
	Labels     map[string]string // may be nil
	Value      float64
	Family     string // the histogram that it is part of; "": none
}

// metrics serves GET /metrics in Prometheus' text format 0.0.4.
func (s *server) metrics(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	figures := []Figure{
		{Name: "aria_info", Help: "The version that runs.", Labels: map[string]string{"version": s.Version}, Value: 1},
		{Name: "aria_runs_open", Help: "Runs that have not ended.", Value: float64(s.Tasks.Open())},
		{Name: "aria_start_time_seconds", Help: "When ariad started, since 1970.", Value: float64(s.Started.UnixMilli()) / 1000},
		{Name: "aria_resident_bytes", Help: "Memory of ariad.", Value: float64(resident())},
		{Name: "aria_open_files", Help: "Descriptors of ariad.", Value: float64(openFiles())},
		{Name: "aria_goroutines", Help: "Goroutines of ariad.", Value: float64(runtime.NumGoroutine())},
		{Name: "aria_pid", Help: "Process id of ariad.", Value: float64(os.Getpid())},
	}
	for state, n := range s.Tasks.States() {
		figures = append(figures, Figure{Name: "aria_runs", Help: "Runs that have not ended, by state.", Labels: map[string]string{"state": string(state)}, Value: float64(n)})
	}
	if s.Counted != nil {
		figures = append(figures, s.Counted()...)
	}
	more, err := s.Engine.Figures(ctx)
	up := 1.0
	if err != nil {
		up = 0
	}
	figures = append(append(figures, Figure{Name: "quilt_up", Help: "Whether quiltd answers.", Value: up}), more...)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(prometheus(figures)))
}

// prometheus writes the figures; those of one name stand together, in the order
// of their first.
func prometheus(figures []Figure) string {
	order := map[string]int{}
	for i, f := range figures {
		if _, ok := order[f.Name]; !ok {
			order[f.Name] = i
		}
	}
	sort.SliceStable(figures, func(i, j int) bool { return order[figures[i].Name] < order[figures[j].Name] })
	var b strings.Builder
	last := ""
	for _, f := range figures {
		kind, name := "gauge", f.Name
		switch {
		case f.Family != "":
			kind, name = "histogram", f.Family
		case f.Counter:
			kind = "counter"
		}
		if name != last {
			fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, f.Help, name, kind)
			last = name
		}
		fmt.Fprintf(&b, "%s%s %v\n", f.Name, labels(f.Labels), f.Value)
	}
	return b.String()
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func labels(m map[string]string) string {
	if len(m) == 0 {
		return ""
	}
	var out []string
	for k, v := range m {
		out = append(out, fmt.Sprintf(`%s="%s"`, k, escape.Replace(v)))
	}
	sort.Strings(out)
	return "{" + strings.Join(out, ",") + "}"
}
