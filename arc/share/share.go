// Package share publishes bundles to OCI registries and installs them from
// there: the client side of docs/spec/sharing.md, the lock file of
// docs/spec/lock.md, and the project's folder of installed bundles. Whatever
// comes from a registry is checked as if a stranger had sent it: digests, the
// bundle's own rules, signatures, what the lock says. It prints nothing and asks
// nobody; consent and trust are handed in.
package share

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/bundle/oci"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

// Options of a client.
type Options struct {
	// PlainHTTP allows unencrypted connections to other machines; to this one
	// they always are.
	PlainHTTP bool
	// Own gives the credential of the instance that arc is pointed to, if host
	// ("127.0.0.1:7600") is that instance. It is asked after docker's config.
	Own func(host string) (credential string, ok bool, err error)
	// Vouch gives a key that may speak for a bundle's name and for which sound
	// holds. Without it nobody may.
	Vouch func(name string, sound func(sign.PublicKey) bool) (sign.PublicKey, bool)
}

// Client speaks to registries. It is safe for concurrent use.
type Client struct {
	opts  Options
	cache auth.Cache
}

// New makes a client. It opens no connection yet.
func New(o Options) *Client { return &Client{opts: o, cache: auth.NewCache()} }

// Place is a repository: "127.0.0.1:7600/acme/search".
type Place string

func (p Place) host() string {
	host, _, _ := strings.Cut(string(p), "/")
	return host
}

// Locate makes a place of what somebody wrote after --to or --from: HOST, to
// which the bundle's name is added, or HOST/REPO.
func Locate(at, name string) (Place, error) {
	at = strings.TrimSuffix(at, "/")
	host, _, hasRepo := strings.Cut(at, "/")
	if host == "" || strings.Contains(at, "://") || strings.ContainsAny(at, "@ ") {
		return "", fault.New(fault.Invalid, "%.200q is not a place in a registry", at).
			WithHint("write HOST or HOST/REPO without a scheme: 127.0.0.1:7600, or ghcr.io/acme/search")
	}
	if !hasRepo {
		at += "/" + name
	}
	return Place(at), nil
}

// repository opens a place.
func (c *Client) repository(p Place) (*remote.Repository, error) {
	repo, err := remote.NewRepository(string(p))
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "%.200q is not a repository of an OCI registry", string(p)).
			WithHint("write HOST/REPO in lower case: 127.0.0.1:7600/acme/search")
	}
	repo.PlainHTTP = c.opts.PlainHTTP || loopback(repo.Reference.Host())
	repo.Client = &auth.Client{Client: c.http(), Cache: c.cache, Credential: c.credential}
	repo.TagListMaxPages, repo.ReferrerListMaxPages = 100, 20
	repo.SkipReferrersGC = true
	return repo, nil
}

func (c *Client) http() *http.Client {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       10 * time.Second,
		ForceAttemptHTTP2:     true,
	}
	return &http.Client{Transport: guarded{t, c.opts.PlainHTTP}}
}

// guarded refuses every unencrypted request to another machine, also those that
// a redirect or a token server's address asks for: a credential may be in them.
type guarded struct {
	next  http.RoundTripper
	plain bool
}

func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" && !g.plain && !loopback(r.URL.Host) {
		return nil, fault.New(fault.Denied, "%s would be reached over an unencrypted connection", r.URL.Host).
			WithHint("use a registry with TLS, or --plain-http if the network is yours")
	}
	return g.next.RoundTrip(r)
}

func loopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// credential looks into docker's configuration, then asks Options.Own.
func (c *Client) credential(ctx context.Context, host string) (auth.Credential, error) {
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return auth.EmptyCredential, fault.Wrap(err, fault.Unauthenticated, "docker's configuration cannot be read").
			WithHint("it is ~/.docker/config.json, or in the folder that DOCKER_CONFIG names")
	}
	cred, err := credentials.Credential(store)(ctx, host)
	if err != nil || cred != auth.EmptyCredential || c.opts.Own == nil {
		return cred, err
	}
	own, ok, err := c.opts.Own(host)
	if err != nil || !ok {
		return auth.EmptyCredential, err
	}
	return auth.Credential{Username: "aria", Password: own}, nil
}

// Versions lists the versions of the bundle at a place, oldest first. Tags that
// are no versions are passed over.
func (c *Client) Versions(ctx context.Context, p Place) ([]string, error) {
	repo, err := c.repository(p)
	if err != nil {
		return nil, err
	}
	var out []string
	err = repo.Tags(ctx, "", func(tags []string) error {
		for _, t := range tags {
			if v, ok := oci.Version(t); ok {
				out = append(out, v)
			}
		}
		return nil
	})
	if err != nil {
		return nil, toFault(err, p, "the versions of "+string(p)+" cannot be listed")
	}
	slices.SortFunc(out, bundle.CompareVersions)
	return out, nil
}
