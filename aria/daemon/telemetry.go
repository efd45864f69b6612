package daemon

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/ariacomputecompany/firmware/aria/api"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/aria/telemetry"
	"github.com/ariacomputecompany/firmware/internal/version"
)

// watched has the runs counted, and traced where a collector is named.
func watched(ctx context.Context, cfg Config, tasks *task.Tasks, log *slog.Logger) func() []api.Figure {
	counters := telemetry.NewCounters()
	tasks.Observe(counters.Event)
	sources := []func() []telemetry.Figure{counters.Figures}
	if cfg.Telemetry.OTLP != "" {
		traces := telemetry.NewTraces(cfg.Telemetry.OTLP, version.Version, log)
		tasks.Observe(traces.Event)
		go traces.Run(ctx)
		sources = append(sources, traces.Figures)
	}
	return func() []api.Figure {
		var out []api.Figure
		for _, of := range sources {
			for _, f := range of() {
				out = append(out, api.Figure{Name: f.Name, Help: f.Help, Labels: f.Labels, Value: f.Value, Family: f.Family,
					Counter: strings.HasSuffix(f.Name, "_total")})
			}
		}
		return out
	}
}

// logger writes what operators read: text, or one JSON object a line.
func logger(format string, to io.Writer) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(to, nil))
	}
	return slog.New(slog.NewTextHandler(to, nil))
}
