package control

import (
	"context"
	"net"
	"time"

	"github.com/ariacomputecompany/firmware/firmware"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Client asks over the socket at its path. It is safe for concurrent use.
type Client string

// Reading back a whole image takes a while on a slow disk.
const (
	callTime   = 30 * time.Second
	commitTime = 10 * time.Minute
)

// Begin checks a header and opens the other slot for its payload.
func (c Client) Begin(ctx context.Context, header []byte, downgrade bool) (Upload, error) {
	a, err := c.call(ctx, callTime, request{Op: "begin", Header: header, Older: downgrade}, nil)
	if err != nil || a.Upload == nil {
		return Upload{}, orOdd(err)
	}
	return *a.Upload, nil
}

// Write hands over the next bytes and says which offset is next.
func (c Client) Write(ctx context.Context, image firmware.Digest, offset int64, data []byte) (int64, error) {
	if len(data) > MaxData {
		return 0, fault.New(fault.Invalid, "a write of %d bytes, more than %d", len(data), MaxData)
	}
	a, err := c.call(ctx, callTime, request{Op: "write", Image: image, Offset: offset, Data: len(data)}, data)
	return a.Next, err
}

// Commit enters a complete image to be tried; the machine then restarts.
func (c Client) Commit(ctx context.Context, image firmware.Digest) (Status, error) {
	return c.status(ctx, commitTime, request{Op: "commit", Image: image})
}

// Status of the machine's firmware.
func (c Client) Status(ctx context.Context) (Status, error) {
	return c.status(ctx, callTime, request{Op: "status"})
}

// Healthy says that all is well; it may be said again.
func (c Client) Healthy(ctx context.Context) error {
	_, err := c.call(ctx, callTime, request{Op: "healthy"}, nil)
	return err
}

// Unwell says why Healthy cannot be said yet.
func (c Client) Unwell(ctx context.Context, reason string) error {
	_, err := c.call(ctx, callTime, request{Op: "unwell", Reason: reason[:min(len(reason), 2000)]}, nil)
	return err
}

func (c Client) status(ctx context.Context, limit time.Duration, r request) (Status, error) {
	a, err := c.call(ctx, limit, r, nil)
	if err != nil || a.Status == nil {
		return Status{}, orOdd(err)
	}
	return *a.Status, nil
}

func orOdd(err error) error {
	if err == nil {
		return fault.New(fault.Internal, "the update service of this machine answered nothing")
	}
	return err
}

func (c Client) call(ctx context.Context, limit time.Duration, r request, data []byte) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", string(c))
	if err != nil {
		return a, unreachable(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if err = send(conn, r); err == nil && len(data) > 0 {
		_, err = conn.Write(data)
	}
	// A refusal may come before all is sent: what the answer says counts more.
	if errAnswer := receive(conn, &a); errAnswer != nil {
		if ctx.Err() != nil {
			return a, context.Cause(ctx)
		}
		if err == nil {
			err = errAnswer
		}
		return a, unreachable(err)
	}
	if p := a.Error; p != nil {
		return answer{}, &fault.Error{Code: p.Code, Message: p.Message, Hint: p.Hint}
	}
	return a, nil
}

func unreachable(err error) error {
	return fault.Wrap(err, fault.Unavailable, "the update service of this machine does not answer").WithHint("see the serial line of the machine")
}
