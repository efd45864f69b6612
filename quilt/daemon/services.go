package daemon

import (
	"log/slog"
	"path/filepath"

	"github.com/ariacomputecompany/firmware/llm/embed"
	"github.com/ariacomputecompany/firmware/quilt/blob"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/fs"
	"github.com/ariacomputecompany/firmware/quilt/kv"
	"github.com/ariacomputecompany/firmware/quilt/lock"
	"github.com/ariacomputecompany/firmware/quilt/queue"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/quilt/vector"
)

// services are what stands behind the tokens. Fresh: nothing of an earlier engine goes on.
func services(data *store.Store, cfg Config, fresh bool, log *slog.Logger) ([]broker.Service, error) {
	folder := filepath.Join(cfg.Data, "quilt")
	data.Limit(func(string) store.Usage { return store.Usage{Items: cfg.TenantItems, Bytes: cfg.TenantBytes} })
	vectors, err := vector.New(data, filepath.Join(folder, "scratch"), embed.New(), log)
	if err != nil {
		return nil, err
	}
	queues, err := queue.New(data, fresh, log)
	if err != nil {
		return nil, err
	}
	blobs, err := blob.New(data, filepath.Join(folder, "blobs"), log)
	if err != nil {
		return nil, err
	}
	volumes, err := fs.New(data)
	if err != nil {
		return nil, err
	}
	return []broker.Service{kv.New(data), lock.New(), vectors, queues, blobs, volumes}, nil
}
