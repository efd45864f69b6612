package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// counter is a service of somebody else's: it counts what it is asked to once for
// every idempotency key, as such services do, and remembers which keys it was
// given for what. Nothing else is taken for the same: a request that comes again
// with another key is counted again, and one without a key is always a fault.
type counter struct {
	server *http.Server
	port   string

	mu       sync.Mutex
	keys     map[string]map[string]int // by "run/step", then key: requests
	bare     int                       // requests without a key
	requests int
	plain    int // of these, by fetch and node:http
}

func newCounter() (*counter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &counter{keys: map[string]map[string]int{}}
	if _, c.port, err = net.SplitHostPort(l.Addr().String()); err != nil {
		return nil, err
	}
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	go c.server.Serve(l)
	return c, nil
}

// ServeHTTP counts first and answers a moment later, so that kills fall between.
func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what, key := strings.TrimPrefix(r.URL.Path, "/"), r.Header.Get("Idempotency-Key")
	c.mu.Lock()
	c.requests++
	if r.Header.Get("X-By") == "unmodified" {
		c.plain++
	}
	if key == "" {
		c.bare++
	} else {
		if c.keys[what] == nil {
			c.keys[what] = map[string]int{}
		}
		c.keys[what][key]++
	}
	c.mu.Unlock()
	time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
	fmt.Fprint(w, "counted")
}

// counted is how often something was done: once for every key.
func (c *counter) counted(run string, step int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.keys[fmt.Sprintf("%s/%d", run, step)])
}

// repeats are the requests that a crash made come again, with the key they had.
func (c *counter) repeats() (requests, plain, again, bare int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	different := 0
	for _, k := range c.keys {
		different += len(k)
	}
	return c.requests, c.plain, c.requests - different - c.bare, c.bare
}

// dataFolder is one in which the operator lets units reach the counter.
func dataFolder(c *counter) (string, error) {
	dir, err := os.MkdirTemp("", "aria-chaos-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	cfg := fmt.Sprintf("[net]\nallow_private = [\"127.0.0.1:%s\"]\n[net.hosts]\n\"counter.test\" = [\"127.0.0.1\"]\n", c.port)
	return dir, os.WriteFile(filepath.Join(dir, "quiltd.toml"), []byte(cfg), 0o644)
}

// withPort copies a project; PORT in its source becomes the counter's.
func withPort(project, port string) (string, error) {
	dir, err := os.MkdirTemp("", "aria-chaos-project-")
	if err != nil {
		return "", err
	}
	return dir, filepath.WalkDir(project, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(project, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, []byte(strings.ReplaceAll(string(text), "PORT", port)), 0o644)
	})
}
