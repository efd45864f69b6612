// Package remote is the client side of proto/aria/v1: what arc asks of a
// running ariad. Plain Go types go in and out, every error is a *fault.Error,
// and no protobuf type leaves the package. It prints nothing and reads no
// configuration beyond the credential file it is pointed to.
package remote

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/proto/gen/aria/v1/ariav1connect"
)

// DefaultServer is where ariad listens unless told otherwise.
const DefaultServer = "http://127.0.0.1:7600"

// Client talks to one ariad. It is safe for concurrent use.
type Client struct {
	server   string
	bundles  ariav1connect.BundleServiceClient
	registry ariav1connect.RegistryServiceClient
	tasks    ariav1connect.TaskServiceClient
	system   ariav1connect.SystemServiceClient
	models   ariav1connect.ModelServiceClient
	firmware ariav1connect.FirmwareServiceClient
	secrets  ariav1connect.SecretServiceClient
	ops      ariav1connect.OperationServiceClient
	triggers ariav1connect.TriggerServiceClient
}

// New makes a client of the ariad at server ("http://host:port") that shows
// credential with every call. It opens no connection yet.
func New(server, credential string) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.User != nil {
		return nil, fault.New(fault.Invalid, "server address %q is not of the form http://host:port", server).
			WithHint("the default is %s", DefaultServer)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return nil, fault.New(fault.Invalid, "server %s would get the credential over an unencrypted connection", server).
			WithHint("use https://, or a tunnel to a loopback address")
	}
	base := u.Scheme + "://" + u.Host
	hc := &http.Client{Transport: transport(), CheckRedirect: refuseRedirect}
	opts := []connect.ClientOption{connect.WithInterceptors(bearer(credential))}
	return &Client{
		server:   base,
		bundles:  ariav1connect.NewBundleServiceClient(hc, base, opts...),
		registry: ariav1connect.NewRegistryServiceClient(hc, base, opts...),
		tasks:    ariav1connect.NewTaskServiceClient(hc, base, opts...),
		system:   ariav1connect.NewSystemServiceClient(hc, base, opts...),
		models:   ariav1connect.NewModelServiceClient(hc, base, opts...),
		firmware: ariav1connect.NewFirmwareServiceClient(hc, base, opts...),
		secrets:  ariav1connect.NewSecretServiceClient(hc, base, opts...),
		ops:      ariav1connect.NewOperationServiceClient(hc, base, opts...),
		triggers: ariav1connect.NewTriggerServiceClient(hc, base, opts...),
	}, nil
}

// Server is the address without a path.
func (c *Client) Server() string { return c.server }

func transport() *http.Transport {
	return &http.Transport{
		Proxy:               nil, // the credential goes to ariad and nowhere else
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConns:        4,
		IdleConnTimeout:     30 * time.Second,
	}
}

// refuseRedirect keeps the credential from following a redirect elsewhere.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// bearer adds the credential to unary calls and streams.
type bearer string

func (b bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		req.Header().Set("Authorization", "Bearer "+string(b))
		return next(ctx, req)
	}
}

func (b bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		conn.RequestHeader().Set("Authorization", "Bearer "+string(b))
		return conn
	}
}

func (b bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// newKey makes an idempotency key: 128 random bits.
func newKey() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: it would end the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}
