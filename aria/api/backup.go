package api

import (
	"bufio"
	"context"
	"io"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Backup writes an archive of both daemons' data.
type Backup func(ctx context.Context, to io.Writer) error

const backupChunk = 256 << 10

// Backup streams one.
func (o operations) Backup(ctx context.Context, _ *connect.Request[ariav1.BackupRequest], out *connect.ServerStream[ariav1.BackupResponse]) error {
	w := bufio.NewWriterSize(chunks{out}, backupChunk)
	if err := o.s.Backup(ctx, w); err != nil {
		return err
	}
	return w.Flush()
}

type chunks struct {
	out *connect.ServerStream[ariav1.BackupResponse]
}

func (c chunks) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), backupChunk)
		if err := c.out.Send(&ariav1.BackupResponse{Data: rest[:n]}); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(b), nil
}
