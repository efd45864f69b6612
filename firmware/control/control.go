// Package control is the one narrow way from ariad, which is unprivileged, to
// the root process that may write slots: a Unix socket with a closed set of six
// commands, one request and one answer a connection, checked by the peer's user
// id. It carries; what the commands do is boot/update's.
package control

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/ariacomputecompany/firmware/firmware"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// MaxData is how much one Write may carry.
const MaxData = 1 << 20

// maxFrame bounds the JSON of a request or an answer. A header is 4096 bytes.
const maxFrame = 16 << 10

// Handler does what the socket is asked for. Its errors are shown as they are
// when they are faults.
type Handler interface {
	// Begin refuses a version older than what runs unless downgrade is set.
	Begin(header []byte, downgrade bool) (Upload, error)
	Write(image firmware.Digest, offset int64, data []byte) (next int64, err error)
	Commit(image firmware.Digest) (Status, error)
	Status() Status
	// Healthy is ariad's word that it and quiltd serve and that a container ran.
	Healthy() error
	// Unwell is ariad's word for why it cannot say so yet.
	Unwell(reason string)
}

// Upload is an image that is being received.
type Upload struct {
	Image  firmware.Digest `json:"image"`
	Offset int64           `json:"offset"` // of the payload: the next byte
	Size   int64           `json:"size"`   // of the payload
	Slot   string          `json:"slot"`
}

// State of the machine's firmware.
type State string

const (
	Steady     State = "steady"
	Receiving  State = "receiving"
	Restarting State = "restarting"
	OnTrial    State = "trial"
)

// Status of the machine's firmware, and of its updates.
type Status struct {
	Version    string   `json:"version"`
	Slot       string   `json:"slot"`
	Generation int      `json:"generation"`
	State      State    `json:"state"`
	Boot       string   `json:"boot"` // uefi | direct
	Keys       []string `json:"keys"`
	Update     *Update  `json:"update,omitempty"`
	Last       *Update  `json:"last,omitempty"`
}

// Update is one update, under way or over.
type Update struct {
	Version string          `json:"version"`
	Image   firmware.Digest `json:"image,omitempty"`
	Slot    string          `json:"slot"`
	Size    int64           `json:"size,omitempty"`
	Offset  int64           `json:"offset,omitempty"`
	Stage   string          `json:"stage,omitempty"`
	Outcome string          `json:"outcome,omitempty"` // kept | back | refused | cut
	Reason  string          `json:"reason,omitempty"`
	EndedMS int64           `json:"endedUnixMs,omitempty"`
}

type request struct {
	Op     string          `json:"op"` // begin | write | commit | status | healthy | unwell
	Header []byte          `json:"header,omitempty"`
	Older  bool            `json:"older,omitempty"` // begin: take an older version too
	Image  firmware.Digest `json:"image,omitempty"`
	Offset int64           `json:"offset,omitempty"`
	Data   int             `json:"data,omitempty"` // bytes that follow the request
	Reason string          `json:"reason,omitempty"`
}

type answer struct {
	Error  *problem `json:"error,omitempty"`
	Upload *Upload  `json:"upload,omitempty"`
	Next   int64    `json:"next,omitempty"`
	Status *Status  `json:"status,omitempty"`
}

type problem struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}

// A frame is its length as four bytes, big-endian, and that much JSON.
func send(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil || len(text) > maxFrame {
		return fmt.Errorf("frame of %d bytes: %w", len(text), err)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	return err
}

func receive(r io.Reader, v any) error {
	var n [4]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(n[:])
	if size > maxFrame {
		return fmt.Errorf("a frame of %d bytes", size)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
