package pid1

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/boot/layout"
)

var errQuiltd = errors.New("quiltd is not ready yet")

// healthy asks ariad as any client would whether it and quiltd are up. One
// request by hand: a whole HTTP client would be half of init.
func healthy() error {
	credential, err := os.ReadFile(credentialFile)
	if err != nil {
		return errors.New("ariad has not started yet")
	}
	if _, err := os.Stat(layout.QuiltSocket); err != nil {
		return errQuiltd
	}
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", layout.Port), time.Second)
	if err != nil {
		return errors.New("ariad does not listen yet")
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "POST /aria.v1.SystemService/Info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"+
		"Authorization: Bearer %s\r\nContent-Length: 2\r\n\r\n{}", strings.TrimSpace(string(credential)))
	return readHealth(c)
}

func readHealth(r io.Reader) error {
	in := bufio.NewReader(io.LimitReader(r, 64<<10))
	status, err := in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("ariad does not answer: %w", err)
	}
	body, err := io.ReadAll(in)
	switch {
	case err != nil:
		return fmt.Errorf("ariad does not answer: %w", err)
	case !strings.HasPrefix(status, "HTTP/1.1 200 "):
		return fmt.Errorf("ariad answers %s", strings.TrimSpace(status))
	case !strings.Contains(string(body), `"quiltReady":true`):
		return errQuiltd
	}
	return nil
}
