package api

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// How old a signature with a time may be, and how far ahead its clock.
const signatureAge = 5 * time.Minute

// signature is one that a call bears. Three forms are read; all are HMAC-SHA256:
//
//	X-Aria-Signature, Stripe-Signature: t=UNIX,v1=HEX   of "UNIX.BODY"
//	Webhook-Signature: v1,BASE64 with Webhook-Id and Webhook-Timestamp   of "ID.UNIX.BODY"
//	X-Hub-Signature-256: sha256=HEX   of "BODY", without a time
type signature struct {
	message []byte
	macs    [][]byte
	at      string // Unix seconds; "": it has none
}

// verify holds a call against the secret of its unit. signature is the one that
// holds, so that the same call sent twice is one.
func (s *server) verify(r *http.Request, secret string, body []byte) (signature string, err error) {
	sig, err := readSignature(r.Header, body)
	if err != nil {
		return "", err
	}
	if sig.at != "" {
		n, err := strconv.ParseInt(sig.at, 10, 64)
		if age := time.Since(time.Unix(n, 0)); err != nil || age > signatureAge || age < -signatureAge {
			return "", fault.New(fault.Unauthenticated, "the signature's time is not within %s of the clock here", signatureAge).
				WithHint("sign anew; both clocks must be right")
		}
	}
	for _, mac := range sig.macs {
		ok, err := s.Verify(r.Context(), secret, sig.message, mac)
		if err != nil {
			if fault.CodeOf(err) == fault.NotFound {
				return "", fault.Wrap(err, fault.Unavailable, "the secret that signs this call is not set").WithHint("arc secret set %s", secret)
			}
			return "", err
		}
		if ok {
			return hex.EncodeToString(mac), nil
		}
	}
	return "", fault.New(fault.Unauthenticated, "the signature is not that of this call").WithHint("sign the body as it is sent, byte for byte, with the secret %s", secret)
}

// maxMacs bounds what one header may offer: a secret that changes has two.
const maxMacs = 4

func readSignature(h http.Header, body []byte) (signature, error) {
	var out signature
	add := func(mac []byte, err error) {
		if err == nil && len(mac) == 32 && len(out.macs) < maxMacs {
			out.macs = append(out.macs, mac)
		}
	}
	timed := h.Get("X-Aria-Signature") + h.Get("Stripe-Signature")
	switch {
	case timed != "":
		for part := range strings.SplitSeq(timed, ",") {
			key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			switch key {
			case "t":
				out.at = value
			case "v1":
				add(hex.DecodeString(value))
			}
		}
		out.message = append([]byte(out.at+"."), body...)
		if out.at == "" {
			out.macs = nil
		}
	case h.Get("Webhook-Signature") != "":
		out.at = h.Get("Webhook-Timestamp")
		for one := range strings.FieldsSeq(h.Get("Webhook-Signature")) {
			if text, ok := strings.CutPrefix(one, "v1,"); ok {
				add(base64.StdEncoding.DecodeString(text))
			}
		}
		out.message = append([]byte(h.Get("Webhook-Id")+"."+out.at+"."), body...)
		if out.at == "" {
			out.macs = nil
		}
	default:
		text, _ := strings.CutPrefix(h.Get("X-Hub-Signature-256"), "sha256=")
		add(hex.DecodeString(text))
		out.message = body
	}
	if len(out.macs) == 0 {
		return out, fault.New(fault.Unauthenticated, "the call bears neither the credential nor a signature").
			WithHint("send X-Aria-Signature: t=UNIX,v1=HEX with the HMAC-SHA256 of \"UNIX.BODY\" (docs/spec/triggers.md)")
	}
	return out, nil
}
