package oci

import (
	"context"
	"log/slog"
)

// quietError keeps errors out of a log that goes where they are printed anyway.
type quietError struct{ slog.Handler }

func (q *quietError) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}
