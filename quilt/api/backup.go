package api

import (
	"bufio"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// backupChunk is how much of an archive goes into one message.
const backupChunk = 256 << 10

// Backup streams the data.
func (s *service) Backup(_ *quiltv1.BackupRequest, out quiltv1.QuiltService_BackupServer) error {
	w := bufio.NewWriterSize(chunks{out}, backupChunk)
	if err := s.cfg.Backup(out.Context(), w); err != nil {
		return reply(err)
	}
	return reply(w.Flush())
}

type chunks struct {
	out quiltv1.QuiltService_BackupServer
}

func (c chunks) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), backupChunk)
		if err := c.out.Send(&quiltv1.BackupResponse{Data: rest[:n]}); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(b), nil
}
