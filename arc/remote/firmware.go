package remote

import (
	"context"
	"io"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Firmware is what a machine says about its firmware.
type Firmware struct {
	Version    string          `json:"version"`
	Slot       string          `json:"slot"` // a | b
	Generation int64           `json:"generation"`
	State      string          `json:"state"` // steady | receiving | restarting | trial
	Boot       string          `json:"boot"`  // uefi | direct
	Keys       []string        `json:"keys"`  // ids of the keys whose images it takes
	Update     *FirmwareUpdate `json:"update,omitempty"`
	Last       *FirmwareUpdate `json:"last,omitempty"`
}

// FirmwareUpdate is one update, under way or over.
type FirmwareUpdate struct {
	Version string     `json:"version"`
	Image   string     `json:"image"`
	Slot    string     `json:"slot"`
	Size    int64      `json:"size,omitempty"`
	Offset  int64      `json:"offset,omitempty"`
	Stage   string     `json:"stage,omitempty"`
	Outcome string     `json:"outcome,omitempty"` // kept | back | refused | cut
	Reason  string     `json:"reason,omitempty"`
	Ended   *time.Time `json:"ended,omitempty"`
}

// FirmwareStatus asks a machine for its firmware.
func (c *Client) FirmwareStatus(ctx context.Context) (Firmware, error) {
	res, err := retry(ctx, c, c.firmware.Status, &ariav1.FirmwareStatusRequest{})
	return toFirmware(res), err
}

// firmwareChunk is how much one call carries.
const firmwareChunk = 1 << 20

// PushFirmware sends an image: its raw header, and the payload as far as the
// machine does not have it yet. With downgrade it may be older than what runs. sent
// hears how far it got. It returns the
// image's name when the machine has taken all of it and restarts.
func (c *Client) PushFirmware(ctx context.Context, header []byte, payload io.ReaderAt, downgrade bool, sent func(offset, size int64)) (image string, err error) {
	up, err := retry(ctx, c, c.firmware.Begin, &ariav1.BeginFirmwareRequest{Header: header, AllowDowngrade: downgrade})
	if err != nil {
		return "", err
	}
	data := make([]byte, firmwareChunk)
	for at := up.Offset; at < up.Size; {
		sent(at, up.Size)
		n, err := payload.ReadAt(data[:min(firmwareChunk, up.Size-at)], at)
		if err != nil && err != io.EOF || n == 0 {
			return up.Image, fault.Wrap(err, fault.Invalid, "the image file ends at byte %d of its payload", at+int64(n))
		}
		res, err := retry(ctx, c, c.firmware.Write, &ariav1.WriteFirmwareRequest{Image: up.Image, Offset: at, Data: data[:n]})
		if err != nil {
			return up.Image, err
		}
		at = res.Offset
	}
	sent(up.Size, up.Size)
	_, err = retry(ctx, c, c.firmware.Commit, &ariav1.CommitFirmwareRequest{Image: up.Image})
	if err != nil && c.restarts(ctx, up.Image) {
		err = nil // the answer was lost, the work is done
	}
	return up.Image, err
}

// restarts says whether the machine is on its way into an image.
func (c *Client) restarts(ctx context.Context, image string) bool {
	st, err := c.FirmwareStatus(ctx)
	return err == nil && st.Update != nil && st.Update.Image == image && st.State != "receiving"
}

// AwaitFirmware waits until a machine that restarts into an image has come to an
// end with it after the given time, as its own clock has it, and is up again.
func (c *Client) AwaitFirmware(ctx context.Context, image string, after *time.Time) (Firmware, error) {
	for {
		ask, cancel := context.WithTimeout(ctx, 5*time.Second)
		st, err := c.FirmwareStatus(ask)
		cancel()
		if l := st.Last; err == nil && st.State == "steady" && l != nil && l.Image == image && (after == nil || !l.Ended.Equal(*after)) {
			return st, nil
		}
		if code := fault.CodeOf(err); code == fault.Unauthenticated || code == fault.Unimplemented {
			return st, err
		}
		if !sleep(ctx, time.Second) {
			return st, fault.New(fault.Timeout, "the machine has not said what became of the update").WithHint("ask it: arc firmware status")
		}
	}
}

func toFirmware(r *ariav1.FirmwareStatusResponse) Firmware {
	return Firmware{Version: r.GetVersion(), Slot: r.GetSlot(), Generation: r.GetGeneration(), State: r.GetState(), Boot: r.GetBoot(),
		Keys: append([]string{}, r.GetKeys()...), Update: toFirmwareUpdate(r.GetUpdate()), Last: toFirmwareUpdate(r.GetLast())}
}

func toFirmwareUpdate(u *ariav1.FirmwareUpdate) *FirmwareUpdate {
	if u == nil {
		return nil
	}
	out := &FirmwareUpdate{Version: u.Version, Image: u.Image, Slot: u.Slot, Size: u.Size, Offset: u.Offset,
		Stage: u.Stage, Outcome: u.Outcome, Reason: u.Reason}
	if u.EndedUnixMs > 0 {
		t := millis(u.EndedUnixMs)
		out.Ended = &t
	}
	return out
}
