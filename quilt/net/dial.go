package net

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// maxAddresses of one name are tried, one after the other.
const maxAddresses = 4

// Dial connects to t at an address that passed the check. The name is looked up
// once, and what is dialled is the address, never the name: an answer that
// changes between check and use changes nothing. Faults: Denied, Unavailable.
func (e *Egress) Dial(ctx context.Context, t Target) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	list, err := e.lookup(ctx, t)
	if err != nil {
		return nil, err
	}
	var refused *fault.Error
	var last error
	tried := 0
	for _, a := range list {
		if err := e.check(t, a); err != nil {
			refused = err
			continue
		}
		if tried == maxAddresses {
			break
		}
		tried++
		c, err := e.connect(ctx, netip.AddrPortFrom(a.Unmap(), t.Port))
		if err == nil {
			return c, nil
		}
		last = err
	}
	if last == nil && refused != nil {
		return nil, refused
	}
	if last == nil {
		return nil, fault.New(fault.Unavailable, "%s has no address", t.Host).WithHint("is the name right?")
	}
	return nil, fault.Wrap(last, fault.Unavailable, "%s cannot be reached", t).WithHint("it refused the connection or did not answer; try again later")
}

func (e *Egress) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d := net.Dialer{KeepAlive: 30 * time.Second}
	return d.DialContext(ctx, "tcp", to.String())
}

// lookup asks for the name as it stands: the final dot keeps the machine's
// search list from making another name of it.
func (e *Egress) lookup(ctx context.Context, t Target) ([]netip.Addr, error) {
	if t.Literal() {
		return []netip.Addr{t.addr}, nil
	}
	if list := e.hosts[t.Host]; len(list) > 0 {
		return list, nil
	}
	list, err := e.resolver.LookupNetIP(ctx, "ip", t.Host+".")
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the name %s could not be resolved", t.Host).WithHint("is it right, and does this machine have a resolver?")
	}
	return list, nil
}
