package tokenapi

import (
	"context"
	"errors"
	"io"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// Backup is a tar of quiltd's data as it is at one moment after the call. The
// reader ends with the error that cut it, if one did.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	s, err := c.quilt.Backup(ctx, &quiltv1.BackupRequest{})
	if err != nil {
		cancel()
		return nil, c.lost(ctx, err, asked)
	}
	r, w := io.Pipe()
	go func() {
		defer cancel()
		for {
			m, err := s.Recv()
			if errors.Is(err, io.EOF) {
				w.Close()
				return
			}
			if err != nil {
				w.CloseWithError(c.lost(ctx, err, asked))
				return
			}
			if _, err := w.Write(m.Data); err != nil {
				return
			}
		}
	}()
	return r, nil
}
