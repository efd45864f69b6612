package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/ariacomputecompany/firmware/arc/remote"
)

// watchTokens prints what happens to tokens until Ctrl-C: one line, or with
// --json one object, for each event.
func (a *app) watchTokens(ctx context.Context, client *remote.Client, after uint64) error {
	err := client.WatchTokens(ctx, after, func(e remote.TokenEvent) error {
		if a.json {
			text, err := json.Marshal(e)
			if err != nil {
				return err
			}
			_, err = a.out.Write(append(text, '\n'))
			return err
		}
		_, err := io.WriteString(a.out, tokenLine(e))
		return err
	})
	if ctx.Err() != nil {
		return nil // Ctrl-C is how one ends it
	}
	return err
}

func tokenLine(e remote.TokenEvent) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %6d %-8s", e.Time.Format("15:04:05.000"), e.Seq, e.Kind)
	if e.Kind == "snapshot" {
		fmt.Fprintf(&b, " %s, %s\n", count(len(e.Snapshot.Holders), "holder"), count(len(e.Snapshot.Waiters), "waiter"))
		return b.String()
	}
	fmt.Fprintf(&b, " %s %s %s", clean(e.Execution), clean(e.Unit), clean(first(strings.Join(e.Tokens, " "), "no token")))
	if len(e.HeldBy) > 0 {
		fmt.Fprintf(&b, ", held by %s", clean(strings.Join(e.HeldBy, " ")))
	}
	if e.Fence > 0 {
		fmt.Fprintf(&b, ", fence %x", e.Fence)
	}
	if e.Reason != "" {
		fmt.Fprintf(&b, ", %s", clean(e.Reason))
	}
	b.WriteByte('\n')
	return b.String()
}
