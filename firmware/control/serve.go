package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// requestTime is how long a caller may take to say what it wants.
const requestTime = 30 * time.Second

// maxCalls at a time; more wait in the listener's queue.
const maxCalls = 4

// Listen makes the socket at path for the user uid: mode 0600, owned by it. A
// socket that is left there is replaced.
func Listen(path string, uid int) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("update socket: %w", err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("update socket: %w", err)
	}
	if err := errors.Join(os.Chmod(path, 0o600), os.Chown(path, uid, -1)); err != nil {
		return nil, errors.Join(fmt.Errorf("update socket: %w", err), ln.Close())
	}
	return ln, nil
}

// Serve answers on ln until ctx ends. Only processes of the user uid are heard;
// the kernel vouches for that (SO_PEERCRED, unix(7)).
func Serve(ctx context.Context, ln *net.UnixListener, uid int, h Handler, log *slog.Logger) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var calls sync.WaitGroup
	defer calls.Wait()
	room := make(chan struct{}, maxCalls)
	for {
		c, err := ln.AcceptUnix()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("update socket: %w", err)
		}
		room <- struct{}{}
		calls.Go(func() {
			defer func() { <-room }()
			defer c.Close()
			if err := serve(c, uid, h); err != nil {
				log.Warn("call of the update socket failed", "err", err)
			}
		})
	}
}

func serve(c *net.UnixConn, uid int, h Handler) error {
	peer, err := peerUID(c)
	if err != nil {
		return err
	}
	if peer != uid {
		return fmt.Errorf("user %d may not use it", peer)
	}
	_ = c.SetDeadline(time.Now().Add(requestTime))
	var r request
	if err := receive(c, &r); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	if r.Data < 0 || r.Data > MaxData || (r.Data > 0 && r.Op != "write") {
		return fmt.Errorf("%.20q with %d bytes", r.Op, r.Data)
	}
	data := make([]byte, r.Data)
	if _, err := io.ReadFull(c, data); err != nil {
		return fmt.Errorf("data of a request: %w", err)
	}
	_ = c.SetDeadline(time.Time{}) // the work takes what it takes
	a, err := do(h, r, data)
	if err != nil {
		a = answer{Error: face(err)}
	}
	_ = c.SetDeadline(time.Now().Add(requestTime))
	if errSend := send(c, a); errSend != nil {
		return fmt.Errorf("answer: %w", errSend)
	}
	if a.Error != nil && a.Error.Code == fault.Internal {
		return err // the caller reads no more than "internal": the log has the rest
	}
	return nil
}

func do(h Handler, r request, data []byte) (a answer, err error) {
	switch r.Op {
	case "begin":
		var up Upload
		up, err = h.Begin(r.Header, r.Older)
		a.Upload = &up
	case "write":
		a.Next, err = h.Write(r.Image, r.Offset, data)
	case "commit":
		var st Status
		st, err = h.Commit(r.Image)
		a.Status = &st
	case "status":
		st := h.Status()
		a.Status = &st
	case "healthy":
		err = h.Healthy()
	case "unwell":
		h.Unwell(r.Reason)
	default:
		err = fault.New(fault.Invalid, "the update socket has no command %.20q", r.Op)
	}
	return a, err
}

func face(err error) *problem {
	f, ok := fault.As(err)
	if !ok {
		return &problem{Code: fault.Internal, Message: "the update service of this machine failed", Hint: "see its serial line"}
	}
	return &problem{Code: f.Code, Message: f.Message, Hint: f.Hint}
}

func peerUID(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, fmt.Errorf("peer credentials: %w", credErr)
	}
	return int(cred.Uid), nil
}
