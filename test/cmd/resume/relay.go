package main

import (
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"time"
)

// relay carries connections to ariad and cuts them, as often as it is told to,
// after some bytes or some time: with a reset, so that what is on its way is gone.
type relay struct {
	listener net.Listener
	to       string

	mu     sync.Mutex
	random *rand.Rand
	left   int // cuts to make
	cut    int
}

func newRelay(server string, cuts int, seed uint64) (*relay, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: l, to: u.Host, random: rand.New(rand.NewPCG(seed, 7)), left: cuts}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.carry(c.(*net.TCPConn))
		}
	}()
	return r, nil
}

func (r *relay) addr() string { return r.listener.Addr().String() }
func (r *relay) close()       { _ = r.listener.Close() }

func (r *relay) made() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cut
}

// plan is when a connection is to be cut: after so many bytes, or so long after
// the first; neither: not at all.
func (r *relay) plan() (bytes int64, after time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.left == 0:
		return 0, 0
	case r.random.IntN(2) == 0:
		return 1 + r.random.Int64N(16<<10), 0
	}
	return 0, time.Duration(1+r.random.IntN(80)) * time.Millisecond
}

func (r *relay) carry(c *net.TCPConn) {
	defer c.Close()
	up, err := net.Dial("tcp", r.to)
	if err != nil {
		return // ariad is being started again
	}
	defer up.Close()
	go func() { _, _ = io.Copy(up, c); up.Close() }()
	bytes, after := r.plan()
	if after > 0 {
		first := make([]byte, 4096)
		n, err := up.Read(first)
		if err != nil {
			return
		}
		if _, err := c.Write(first[:n]); err != nil {
			return
		}
		time.AfterFunc(after, func() { r.sever(c, up) })
	}
	if bytes > 0 {
		if _, err := io.CopyN(c, up, bytes); err == nil {
			r.sever(c, up)
		}
		return
	}
	_, _ = io.Copy(c, up)
}

// sever cuts a connection that is still there.
func (r *relay) sever(c *net.TCPConn, up net.Conn) {
	_ = c.SetLinger(0)
	if c.Close() != nil {
		return // it had ended by itself
	}
	_ = up.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut++
	r.left = max(0, r.left-1)
}
