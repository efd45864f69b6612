package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/firmware"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

func (a *app) firmwareCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "firmware {status | push | key | sign}",
		Short:   "Update the firmware of a machine that runs Aria's image",
		Long:    wordsFirmwareLong,
		GroupID: groupMore,
		Args:    oneOfCommands,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.firmwareStatusCmd(), a.firmwarePushCmd(), a.firmwareKeyCmd(), a.firmwareSignCmd())
	return c
}

func (a *app) firmwareStatusCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say which firmware runs, and what became of the last update",
		Args:  want(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			st, err := client.FirmwareStatus(c.Context())
			if err != nil {
				return err
			}
			return a.result(st, func(w io.Writer) { printFirmware(w, st) })
		},
	}
}

func printFirmware(w io.Writer, st remote.Firmware) {
	fmt.Fprintf(w, "version    %s\nslot       %s (generation %d, started by %s)\nstate      %s\n",
		clean(st.Version), clean(st.Slot), st.Generation, clean(st.Boot), clean(st.State))
	for _, k := range st.Keys {
		fmt.Fprintf(w, "key        %s\n", clean(k))
	}
	if u := st.Update; u != nil {
		fmt.Fprintf(w, "update     %s to slot %s", clean(u.Version), clean(u.Slot))
		if u.Size > 0 {
			fmt.Fprintf(w, ", %s of %s received", bytesText(u.Offset), bytesText(u.Size))
		}
		fmt.Fprintf(w, "%s\n", reasonText(u.Stage, u.Reason))
	}
	if l := st.Last; l != nil {
		fmt.Fprintf(w, "last       %s%s\n", first(clean(l.Version), "(unknown)"), reasonText(l.Outcome, l.Reason))
		if l.Ended != nil {
			fmt.Fprintf(w, "           %s\n", timeText(*l.Ended))
		}
	}
}

func reasonText(what, why string) string {
	if why == "" {
		return ", " + clean(what)
	}
	return ", " + clean(what) + ": " + clean(why)
}

func (a *app) firmwarePushCmd() *cobra.Command {
	var detach, downgrade bool
	var limit time.Duration
	c := &cobra.Command{
		Use:   "push IMAGE",
		Short: "Send a signed image, and wait until the machine has kept it or gone back",
		Long:  wordsFirmwarePushLong,
		Args:  want(1, 1, "the path of a signed image"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), limit)
			defer cancel()
			return stopped(c.Context(), a.pushFirmware(ctx, args[0], detach, downgrade))
		},
	}
	a.addProgress(c)
	c.Flags().BoolVar(&detach, "detach", false, "return when the machine restarts, without waiting for the outcome")
	c.Flags().BoolVar(&downgrade, "allow-downgrade", false, "push a version that is older than the one that runs")
	c.Flags().DurationVar(&limit, "timeout", 30*time.Minute, "give up waiting after this long")
	return c
}

func (a *app) pushFirmware(ctx context.Context, path string, detach, downgrade bool) error {
	f, raw, head, err := firmware.OpenImage(path)
	if err != nil {
		return err
	}
	defer f.Close()
	client, err := a.client()
	if err != nil {
		return err
	}
	before, err := client.FirmwareStatus(ctx)
	if err != nil {
		return err
	}
	a.note("firmware %s, %s, to slot %s of a machine that runs %s", head.Version, bytesText(head.Size()), other(before.Slot), clean(before.Version))
	step := a.step("push", head.Version, head.Size())
	image, err := client.PushFirmware(ctx, raw, io.NewSectionReader(f, firmware.HeaderSize, head.Size()), downgrade, step.at)
	if step.end(err) != nil {
		return err
	}
	a.note("the machine has it and restarts to try it")
	if detach {
		st := before
		st.State = "restarting"
		return a.result(st, func(w io.Writer) { fmt.Fprintln(w, image) })
	}
	var lastEnded *time.Time
	if before.Last != nil {
		lastEnded = before.Last.Ended
	}
	step = a.step("restart", head.Version, 0)
	st, err := client.AwaitFirmware(ctx, image, lastEnded)
	if step.end(err) != nil {
		return err
	}
	if st.Last.Outcome != "kept" {
		return errors.Join(fault.New(fault.Failed, "the machine went back to firmware %s: %s", clean(st.Version), clean(st.Last.Reason)).
			WithHint("it runs as before; mend the image and push again"), a.result(st, func(io.Writer) {}))
	}
	return a.result(st, func(w io.Writer) { printFirmware(w, st) })
}

func other(slot string) string {
	if slot == "a" {
		return "b"
	}
	return "a"
}
