package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// message is one packet between engine and launcher: JSON, with descriptors
// beside it. Engine to launcher: start (stdout, stderr, control), claim, kill,
// end, stats, serving. Launcher to engine: hello, started (pidfd, and a gate), claimed,
// failed, exit, stats. N is chosen by the engine and names a request and the
// container it made.
//
// At a planned restart the new engine says standby, the launcher says yield to
// the old one, which says leave (control, stdout, stderr) for each container and
// left (its own files) at last; the new one then gets take (the same and the
// pidfd) for each, the exits that nobody heard, and taken (those files).
type message struct {
	Op    string     `json:"op"`
	N     uint64     `json:"n,omitempty"`
	Of    uint64     `json:"of,omitempty"`    // claim: the container's number
	Base  uint64     `json:"base,omitempty"`  // hello, taken: numbers begin above it
	Later bool       `json:"later,omitempty"` // hello: another engine still serves
	Host  *Host      `json:"host,omitempty"`
	Spec  *Spec      `json:"spec,omitempty"`
	Plan  string     `json:"plan,omitempty"` // digest of the plan the engine means
	Exit  *Exit      `json:"exit,omitempty"`
	Gate  bool       `json:"gate,omitempty"` // leave, take: a gate is among the descriptors
	Stats *Stats     `json:"stats,omitempty"`
	Fault *wireFault `json:"fault,omitempty"`

	// short says that descriptors came with the packet and this process had no
	// room for them.
	short bool
}

type wireFault struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}

func toWire(err error) *wireFault {
	if f, ok := fault.As(err); ok {
		return &wireFault{f.Code, f.Error(), f.Hint}
	}
	return &wireFault{fault.Internal, err.Error(), ""}
}

func (w *wireFault) fault() error {
	return &fault.Error{Code: w.Code, Message: w.Message, Hint: w.Hint}
}

const (
	maxPacket = 192 << 10 // below the default socket buffer
	maxFDs    = 5
)

// link is one end of the SOCK_SEQPACKET pair.
type link struct {
	c    *net.UnixConn
	mu   sync.Mutex // one packet at a time
	buf  []byte     // of recv, which has one caller
	ctrl []byte
}

func newLink(f *os.File) (*link, error) {
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("launcher socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("launcher socket: not a unix socket")
	}
	return &link{c: u, buf: make([]byte, maxPacket), ctrl: make([]byte, unix.CmsgSpace(4*maxFDs))}, nil
}

// send writes m and lends the descriptors: the other side gets its own copies.
func (l *link) send(m message, fds ...int) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(b) > maxPacket {
		return fault.New(fault.Exhausted, "request of %d bytes is larger than %d", len(b), maxPacket).
			WithHint("send large values through the control socket")
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _, err = l.c.WriteMsgUnix(b, oob, nil)
	return err
}

// recv returns the next packet and descriptors that the caller must close.
func (l *link) recv() (message, []int, error) {
	n, oobn, flags, _, err := l.c.ReadMsgUnix(l.buf, l.ctrl)
	if err != nil {
		return message{}, nil, err
	}
	fds, err := rights(l.ctrl[:oobn])
	if err == nil && flags&unix.MSG_TRUNC != 0 {
		err = errors.New("launcher socket: packet too long")
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	var m message
	if err == nil {
		err = json.Unmarshal(l.buf[:n], &m)
	}
	if err != nil {
		closeAll(fds)
		return message{}, nil, err
	}
	// The kernel drops descriptors that would go beyond RLIMIT_NOFILE, and says
	// only this. One container too many must not end the service of all others.
	m.short = flags&unix.MSG_CTRUNC != 0
	return m, fds, nil
}

func rights(oob []byte) ([]int, error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var out []int
	for i := range msgs {
		fds, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			closeAll(out)
			return nil, err
		}
		out = append(out, fds...)
	}
	return out, nil
}

func (l *link) close() { l.c.Close() }
