package net

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/token"
)

// Target is a host and a port that somebody inside wants to reach.
type Target struct {
	Host  string // a name in lower case without a final dot, or an address without brackets
	Port  uint16
	Token token.Token // the authority it needs

	addr netip.Addr // of a literal address
}

// String is "host:port", with brackets where they belong.
func (t Target) String() string { return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port))) }

// Literal: the host is an address, not a name.
func (t Target) Literal() bool { return t.addr.IsValid() }

// ParseTarget reads "host", "host:port" or "[v6]:port", with port for the first
// if it is not 0. There is one way to write each host: what other parsers take
// for an address in disguise (0177.0.0.1, 127.1, a final dot, a zone, a
// percent sign, another script) is refused, so that what is checked is what is
// dialled. Errors are faults of code Denied and name the token.
func ParseTarget(authority string, port uint16) (Target, error) {
	shown := broker.Clip(authority, 120)
	if strings.ContainsAny(authority, "@/\\?#%*, \t") {
		return Target{}, fault.New(fault.Denied, "net:%s is no host and port that a token could allow", shown).
			WithHint("write a plain host name and a port: no user name, no path, no wildcard")
	}
	if port != 0 && (!strings.Contains(authority, ":") || strings.HasSuffix(authority, "]")) {
		authority += ":" + strconv.Itoa(int(port))
	}
	tok, err := token.Parse("net:" + authority)
	if err != nil {
		hint := ""
		if f, ok := fault.As(err); ok {
			hint = f.Hint
		}
		return Target{}, fault.Wrap(err, fault.Denied, "net:%s is no host and port that a token could allow: %v", shown, err).WithHint("%s", hint)
	}
	parts := tok.Segments()
	n, err := strconv.ParseUint(parts[1], 10, 16)
	if err != nil {
		return Target{}, fault.New(fault.Denied, "net:%s has no port that a token could allow", shown)
	}
	t := Target{Host: strings.Trim(parts[0], "[]"), Port: uint16(n), Token: tok}
	if a, err := netip.ParseAddr(t.Host); err == nil {
		t.addr = a
	}
	return t, nil
}

// Hold claims t for one request or tunnel, waiting for the rates that bound it: that
// of the token which allows it, those of all who wait for this execution, and the
// policy's. Faults: Denied, naming the token; else the cause of ctx.
func Hold(ctx context.Context, c broker.Call, t Target) (broker.Hold, error) {
	need := bounded(c.Grant.Tokens, t.Token)
	hold, err := c.Hold(ctx, need)
	if err != nil {
		return hold, err
	}
	if w := need.Params().Wait; w > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, w, fault.New(fault.Timeout, "the rate of %s did not open within %s", need, w).
			WithHint("arc why says when it opens; ask less often, or raise the rate"))
		defer stop()
	}
	charge, err := c.Charge(ctx, need, broker.Spend{})
	if err != nil {
		hold.Done()
		return broker.Hold{}, err
	}
	done := hold.Done
	hold.Done = func() {
		done()
		charge.Settle(broker.Spend{})
	}
	return hold, nil
}

// bounded is plain with the bounds of the token of held that allows it: of several,
// one without a rate.
func bounded(held token.Set, plain token.Token) token.Token {
	best := plain
	for _, h := range held {
		if h.Scheme() != "net" {
			continue
		}
		text := plain.String()
		if _, query, ok := strings.Cut(h.String(), "?"); ok {
			text += "?" + query
		}
		need, err := token.Parse(text)
		if err != nil || !h.Covers(need) {
			continue
		}
		if need.Params().Rate.N == 0 {
			return need
		}
		if best == plain {
			best = need
		}
	}
	return best
}
