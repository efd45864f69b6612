// Package net is the way out of a container: HTTP and HTTPS to the hosts and
// ports of its net tokens and to nothing else. It resolves names itself, checks
// each address and connects to exactly that one, so a name cannot lead to a
// second place. Private and local addresses are refused, whatever a token says,
// unless the operator listed them.
//
// It serves the net handle (net.fetch and its neighbours: docs/spec/net.md),
// adds credentials for it outside the container, and dials for quilt/gate. Who
// may ask for what is the caller's lease; nothing here grants.
package net

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Config is the operator's part. The zero value is the default: public
// addresses only, the machine's resolver, the machine's roots.
type Config struct {
	// AllowPrivate lists what is otherwise refused: "127.0.0.1:8080",
	// "10.1.0.0/16:443", "[fd00::1]:443"; the port may be "*". A unit needs a
	// token for the host all the same.
	AllowPrivate []string `toml:"allow_private"`
	// Resolver is the DNS server to ask, "192.0.2.1:53"; empty: the machine's.
	Resolver string `toml:"resolver"`
	// Hosts are names that need no resolver: "api.internal" = ["10.1.2.3"].
	Hosts map[string][]string `toml:"hosts"`
	// CA is a PEM file of further roots, for servers of one's own.
	CA string `toml:"ca"`
}

// Limits of one request or tunnel (docs/spec/limits.md).
const (
	dialTimeout   = 10 * time.Second
	headerTimeout = 60 * time.Second
	idleTimeout   = 5 * time.Minute
	maxRedirects  = 10
	MaxRequest    = 16 << 20  // bytes of a request's body
	MaxResponse   = 256 << 20 // bytes of an answer's body, and of a tunnel in each direction
)

// Egress dials. Its methods may be called concurrently.
type Egress struct {
	open     []exception
	hosts    map[string][]netip.Addr
	resolver *net.Resolver
	roots    *x509.CertPool // nil: the machine's
	log      *slog.Logger
}

// New checks the configuration. Errors are faults of code Invalid.
func New(cfg Config, log *slog.Logger) (*Egress, error) {
	e := &Egress{hosts: map[string][]netip.Addr{}, log: log, resolver: &net.Resolver{PreferGo: true}}
	for _, text := range cfg.AllowPrivate {
		x, err := parseException(text)
		if err != nil {
			return nil, err
		}
		e.open = append(e.open, x)
	}
	for name, list := range cfg.Hosts {
		t, err := ParseTarget(name, 443)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "net.hosts: %q is not a host name", name)
		}
		for _, text := range list {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fault.New(fault.Invalid, "net.hosts: %q of %q is not an address", text, name).WithHint(`write "api.internal" = ["10.1.2.3"]`)
			}
			e.hosts[t.Host] = append(e.hosts[t.Host], a)
		}
	}
	if cfg.Resolver != "" {
		server, err := netip.ParseAddrPort(cfg.Resolver)
		if err != nil {
			return nil, fault.New(fault.Invalid, "net.resolver: %q is not an address and a port", cfg.Resolver).WithHint("write 192.0.2.1:53")
		}
		e.resolver.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			d := net.Dialer{Timeout: dialTimeout}
			return d.DialContext(ctx, network, server.String())
		}
	}
	if cfg.CA != "" {
		var err error
		if e.roots, err = readRoots(cfg.CA); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func readRoots(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "net.ca: %s cannot be read", path).WithHint("quiltd's user must be able to read it")
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.Invalid, "net.ca: %s holds no certificate in PEM form", path)
	}
	return pool, nil
}

// Transport makes a round tripper whose connections nobody else uses. It checks
// addresses, not tokens: the caller has held one for each request. Close it with
// CloseIdleConnections.
func (e *Egress) Transport() *http.Transport {
	return &http.Transport{
		Proxy: nil, // never: this is the proxy
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			t, err := ParseTarget(addr, 0)
			if err != nil {
				return nil, err
			}
			return e.Dial(ctx, t)
		},
		TLSClientConfig:        &tls.Config{RootCAs: e.roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConnsPerHost:    8,
		MaxConnsPerHost:        64,
		MaxResponseHeaderBytes: 256 << 10,
		ForceAttemptHTTP2:      true,
	}
}
