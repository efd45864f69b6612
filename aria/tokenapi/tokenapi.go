// Package tokenapi is the client side of quilt/v1: it takes one execution over
// the Unix socket and hands back what happens, in plain Go. It decides nothing:
// what to run and what to make of the answer is aria/execution's.
package tokenapi

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ariacomputecompany/firmware/internal/fault"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// patience is how long an execution that has not begun waits for quiltd to come
// up or back.
const patience = 5 * time.Second

// Client is safe for use by many goroutines. It reconnects by itself.
type Client struct {
	conn    *grpc.ClientConn
	quilt   quiltv1.QuiltServiceClient
	secrets quiltv1.SecretServiceClient
	socket  string
}

// Dial makes a client of the socket at path. Nothing needs to listen yet.
func Dial(path string) (*Client, error) {
	conn, err := grpc.NewClient("unix:"+path,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // the kernel vouches for both ends
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second,
			Backoff: backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond}}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(32<<20), grpc.MaxCallSendMsgSize(128<<20)),
		grpc.WithIdleTimeout(0),
		grpc.WithDisableServiceConfig())
	if err != nil {
		return nil, fmt.Errorf("dial quiltd: %w", err)
	}
	conn.Connect()
	return &Client{conn: conn, quilt: quiltv1.NewQuiltServiceClient(conn), secrets: quiltv1.NewSecretServiceClient(conn), socket: path}, nil
}

// Close ends the connection and whatever still runs over it.
func (c *Client) Close() error { return c.conn.Close() }

// ready waits until quiltd can be reached, at most for patience.
func (c *Client) ready(ctx context.Context) error {
	if c.conn.GetState() == connectivity.Ready {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		s := c.conn.GetState()
		if s == connectivity.Ready {
			return nil
		}
		c.conn.Connect()
		if !c.conn.WaitForStateChange(wait, s) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return unreachable(nil, c.socket)
		}
	}
}

func unreachable(err error, socket string) error {
	return fault.Wrap(err, fault.Unavailable, "quiltd cannot be reached on %s", socket).
		WithHint("is it running? ariad up starts and keeps both; see its log")
}

// Execute runs one unit once and calls emit for everything that happens before
// the end, in order. It returns how the execution ended; the error is for when
// that cannot be known: Unavailable (it did not begin), Interrupted (quiltd went
// away in the middle), the cause of ctx, or the error of emit. Leaving kills the
// execution.
func (c *Client) Execute(ctx context.Context, req Request, emit func(Event) error) (Ended, error) {
	if err := c.ready(ctx); err != nil {
		return Ended{}, err
	}
	h := &hearing{emit: emit, journal: req.Journal}
	ask := req.messages()
	for tries := 0; ; tries++ {
		end, err := c.hear(ctx, req, ask, h)
		next := c.goOn(ctx, req, h, err, tries)
		if next == nil {
			return end, h.lost(c, ctx, err)
		}
		ask = next
	}
}

// Kill ends a live execution; found is false if there is none of that id.
func (c *Client) Kill(ctx context.Context, execution, reason string) (found bool, err error) {
	r, err := c.quilt.Kill(ctx, &quiltv1.KillRequest{Execution: execution, Reason: reason})
	if err != nil {
		return false, c.lost(ctx, err, asked)
	}
	return r.Found, nil
}

// Status of the engine, as far as ariad shows it.
type Status struct {
	Version    string
	Isolation  string // "full (cgroup v1)"
	Executions int64
	Resident   int64 // bytes of the engine
	Counts     Counts

	PolicyProblem string // why the policy's newest text does not hold
}

// Status asks at once and does not wait for quiltd to come up.
func (c *Client) Status(ctx context.Context) (Status, error) {
	c.conn.Connect()
	r, err := c.quilt.Status(ctx, &quiltv1.StatusRequest{})
	if err != nil {
		return Status{}, c.lost(ctx, err, asked)
	}
	return Status{Version: r.Version, Isolation: r.Isolation, Executions: r.Executions, Resident: r.ResidentBytes,
		Counts: counts(r.Tokens), PolicyProblem: r.PolicyProblem}, nil
}
