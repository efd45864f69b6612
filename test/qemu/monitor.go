package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// Press gives the machine one command of QEMU's monitor that takes no
// arguments: "system_powerdown" (the power button), "system_reset", "stop",
// "cont", "inject-nmi".
func (m *Machine) Press(ctx context.Context, command string) error {
	c, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(end)
	}
	in, out := json.NewDecoder(c), json.NewEncoder(c)
	var greeting struct{ QMP json.RawMessage }
	if err := in.Decode(&greeting); err != nil || greeting.QMP == nil {
		return errors.Join(errors.New("qemu: no greeting from the monitor"), err)
	}
	for _, name := range []string{"qmp_capabilities", command} {
		if err := out.Encode(map[string]string{"execute": name}); err != nil {
			return fmt.Errorf("qemu %s: %w", name, err)
		}
		for answered := false; !answered; {
			var reply struct {
				Return json.RawMessage `json:"return"`
				Error  *struct {
					Desc string `json:"desc"`
				} `json:"error"`
			}
			if err := in.Decode(&reply); err != nil {
				return fmt.Errorf("qemu %s: %w", name, err)
			}
			if reply.Error != nil {
				return fmt.Errorf("qemu %s: %s", name, reply.Error.Desc)
			}
			answered = reply.Return != nil // else an event
		}
	}
	return nil
}

// dial waits for the socket, which is there a moment after the process.
func (m *Machine) dial(ctx context.Context) (net.Conn, error) {
	for {
		c, err := new(net.Dialer).DialContext(ctx, "unix", m.monitor())
		if err == nil {
			return c, nil
		}
		select {
		case <-m.done:
			return nil, errors.New("qemu: the machine is off")
		case <-ctx.Done():
			return nil, fmt.Errorf("qemu monitor: %w", errors.Join(ctx.Err(), err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
