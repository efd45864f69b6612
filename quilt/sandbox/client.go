package sandbox

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Client is the engine's side of the launcher. All methods may be called from
// any goroutine.
type Client struct {
	link  *link
	host  Host
	done  chan struct{}
	yield chan struct{}
	taken chan struct{}

	later bool         // another engine serves until it yields
	kept  []*Container // what it left, set before taken is closed
	files []*os.File

	mu      sync.Mutex // guards the rest
	last    uint64
	replies map[uint64]chan reply
	live    map[uint64]*Container
}

type reply struct {
	m   message
	fds []int
}

var errGone = fault.New(fault.Unavailable, "the container launcher is gone").
	WithHint("restart quiltd; its log says why the launcher ended")

// Dial takes the inherited socket (descriptor 3 of the engine), closes f and
// waits for the launcher's greeting.
func Dial(f *os.File) (*Client, error) {
	l, err := newLink(f)
	f.Close()
	if err != nil {
		return nil, err
	}
	m, fds, err := l.recv()
	closeAll(fds)
	if err == nil && (m.Op != "hello" || m.Host == nil) {
		err = fmt.Errorf("greeting is %q", m.Op)
	}
	if err != nil {
		l.close()
		return nil, fault.Wrap(err, fault.Unavailable, "the container launcher does not answer").
			WithHint("start quiltd as a whole; its engine cannot run alone")
	}
	c := &Client{link: l, host: *m.Host, done: make(chan struct{}), yield: make(chan struct{}), taken: make(chan struct{}),
		later: m.Later, last: m.Base, replies: map[uint64]chan reply{}, live: map[uint64]*Container{}}
	go c.read()
	return c, nil
}

// Hello is what the launcher found out about the host.
func (c *Client) Hello() Host { return c.host }

// Done is closed when the launcher is gone, and every container with it.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close ends the launcher's service: it kills every container.
func (c *Client) Close() { c.link.close() }

// Stats asks for the launcher's own state.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	r, err := c.ask(ctx, message{Op: "stats"}, nil)
	if err != nil {
		return Stats{}, err
	}
	if r.m.Stats == nil {
		return Stats{}, fault.New(fault.Internal, "the launcher answered stats with %q", r.m.Op)
	}
	return *r.m.Stats, nil
}

// Start starts a container. It returns when the program was reached; an error
// means that nothing runs and nothing is left.
func (c *Client) Start(ctx context.Context, p Plan) (*Container, error) {
	ours, theirs, err := pipes()
	if err != nil {
		return nil, fault.Wrap(err, fault.Exhausted, "no descriptors for container %s", p.Spec.ID).
			WithHint("raise quiltd's limit of open files")
	}
	defer closeAll(theirs)
	k := &Container{ID: p.Spec.ID, client: c, spec: p.Spec, gone: make(chan struct{}),
		Stdout: ours[0], Stderr: ours[1], Control: ours[2]}
	r, err := c.ask(ctx, message{Op: "start", Spec: &p.Spec, Plan: p.Digest()}, k, theirs...)
	if err == nil && r.m.short {
		// It runs, but we have no descriptor for it.
		_ = c.link.send(message{Op: "kill", N: k.n})
		err = fault.New(fault.Exhausted, "no descriptors for container %s", p.Spec.ID).WithHint("raise quiltd's limit of open files")
	} else if err == nil && (r.m.Op != "started" || len(r.fds) != wantFDs(p)) {
		closeAll(r.fds)
		err = fault.New(fault.Internal, "the launcher answered start with %q", r.m.Op)
	}
	if err != nil {
		k.Close()
		return nil, err
	}
	k.Pidfd = os.NewFile(uintptr(r.fds[0]), "pidfd")
	if p.Spec.Net {
		k.Gate = os.NewFile(uintptr(r.fds[1]), "gate")
	}
	return k, nil
}

// ask sends m and waits for its answer. If ctx ends first, a container that
// starts nevertheless is killed.
func (c *Client) ask(ctx context.Context, m message, k *Container, fds ...int) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, err
	}
	answer := make(chan reply, 1)
	c.mu.Lock()
	c.last++
	m.N = c.last
	c.replies[m.N] = answer
	if k != nil {
		k.n = m.N
		c.live[m.N] = k
	}
	c.mu.Unlock()
	if err := c.link.send(m, fds...); err != nil {
		c.forget(m.N)
		if f, ok := fault.As(err); ok {
			return reply{}, f
		}
		return reply{}, errGone
	}
	select {
	case r := <-answer:
		if r.m.Fault != nil {
			c.forget(m.N)
			closeAll(r.fds)
			return reply{}, r.m.Fault.fault()
		}
		return r, nil
	case <-ctx.Done():
		if k != nil {
			go c.abandon(m.N, answer)
		}
		return reply{}, ctx.Err()
	case <-c.done:
		return reply{}, errGone
	}
}

func (c *Client) abandon(n uint64, answer chan reply) {
	select {
	case r := <-answer:
		closeAll(r.fds)
		_ = c.link.send(message{Op: "kill", N: n})
	case <-c.done:
	}
	c.forget(n)
}

func (c *Client) forget(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.replies, n)
	delete(c.live, n)
}

// read delivers answers and exits until the launcher is gone.
func (c *Client) read() {
	defer close(c.done)
	for {
		m, fds, err := c.link.recv()
		if err != nil {
			c.link.close()
			return
		}
		if m.Op == "yield" || m.Op == "take" || m.Op == "taken" {
			c.moved(m, fds)
			continue
		}
		c.mu.Lock()
		answer, k := c.replies[m.N], c.live[m.N]
		if m.Op == "exit" {
			delete(c.live, m.N)
		} else {
			delete(c.replies, m.N)
		}
		c.mu.Unlock()
		switch {
		case m.Op == "exit" && k != nil && m.Exit != nil:
			k.exit = *m.Exit
			close(k.gone)
		case m.Op != "exit" && answer != nil:
			answer <- reply{m, fds}
		default:
			closeAll(fds)
		}
	}
}

// Container is one running container. Control is the harness socket
// (SOCK_STREAM), Stdout and Stderr are read ends, Pidfd becomes readable the
// moment its first process ends. The caller closes them, with Close.
type Container struct {
	ID      string
	Control *os.File
	Stdout  *os.File
	Stderr  *os.File
	Pidfd   *os.File
	Gate    *os.File // listens on GateAddr inside; nil without Spec.Net

	client  *Client
	n       uint64
	spec    Spec // with its defaults
	claimed atomic.Bool
	gone    chan struct{}
	exit    Exit // set before gone is closed
}

// Exit is how a container ended and what it used.
type Exit struct {
	Code    int           `json:"code"`             // exit code, or 128 + Signal
	Signal  int           `json:"signal,omitempty"` // 0: it exited by itself
	OOM     bool          `json:"oom,omitempty"`    // the memory limit killed something in it
	PidsHit bool          `json:"pidsHit,omitempty"`
	CPU     time.Duration `json:"cpu"`
	// PeakMemory is bytes of its own: heap, stacks, /tmp, socket buffers. Bun's
	// 33 MiB of program lie on the image that all containers share, and count
	// for none of them.
	PeakMemory int64 `json:"peakMemory"`
}

// Kill ends every process of the container. It does not wait; Wait does.
func (k *Container) Kill() error {
	select {
	case <-k.gone:
		return nil
	default:
	}
	if err := k.client.link.send(message{Op: "kill", N: k.n}); err != nil {
		return errGone // and the container with it
	}
	return nil
}

// End ends a container that has nothing left to say: as Kill, without first
// stopping it from forking.
func (k *Container) End() error {
	select {
	case <-k.gone:
		return nil
	default:
	}
	if err := k.client.link.send(message{Op: "end", N: k.n}); err != nil {
		return errGone
	}
	return nil
}

// Wait returns when no process of the container is left; the launcher then
// removes its groups. An ended ctx leaves the container running.
func (k *Container) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-k.gone:
		return k.exit, nil
	default:
	}
	select {
	case <-k.gone:
		return k.exit, nil
	case <-ctx.Done():
		return Exit{}, ctx.Err()
	case <-k.client.done:
		return Exit{}, errGone
	}
}

// Close closes the descriptors. It neither kills nor waits.
func (k *Container) Close() {
	for _, f := range []*os.File{k.Control, k.Stdout, k.Stderr, k.Pidfd, k.Gate} {
		if f != nil {
			f.Close()
		}
	}
}

// pipes makes our ends (stdout, stderr, control; with deadlines) and the
// container's.
func pipes() (ours []*os.File, theirs []int, err error) {
	var mine []int
	defer func() {
		if err != nil {
			closeAll(mine)
			closeAll(theirs)
		}
	}()
	for range 2 {
		var p [2]int
		if err = unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			return nil, nil, err
		}
		mine, theirs = append(mine, p[0]), append(theirs, p[1])
	}
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	mine, theirs = append(mine, p[0]), append(theirs, p[1])
	for i, name := range []string{"stdout", "stderr", "control"} {
		if err = unix.SetNonblock(mine[i], true); err != nil {
			return nil, nil, err
		}
		ours = append(ours, os.NewFile(uintptr(mine[i]), name))
	}
	return ours, theirs, nil
}
