package pid1

import (
	"encoding/binary"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// setClock asks one server for the time (SNTP, RFC 4330) every hour, and steps
// the clock when it is off by more than half a second.
func (n *network) setClock(l lease, cfg Config) {
	server := cfg.NTP
	if server == "" && len(l.ntp) > 0 {
		server = l.ntp[0].String()
	}
	if server == "" {
		return // the machine's own clock
	}
	for wait := 5 * time.Second; ; {
		off, err := askTime(server)
		if err != nil {
			n.log.Warn("the time server does not answer", "server", server, "err", err)
			time.Sleep(wait)
			wait = min(2*wait, time.Hour)
			continue
		}
		wait = 5 * time.Second
		if off.Abs() > 500*time.Millisecond {
			tv := unix.NsecToTimeval(time.Now().Add(off).UnixNano())
			err := unix.Settimeofday(&tv)
			n.log.Info("aria: clock set", "server", server, "off", off, "err", err)
		}
		time.Sleep(time.Hour)
	}
}

// ntpEpoch is 1900 in Unix seconds.
const ntpEpoch = -2208988800

func askTime(server string) (time.Duration, error) {
	c, err := net.DialTimeout("udp", net.JoinHostPort(server, "123"), 3*time.Second)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	b := make([]byte, 48)
	b[0] = 4<<3 | 3 // version 4, client
	sent := time.Now()
	if _, err := c.Write(b); err != nil {
		return 0, err
	}
	if _, err := c.Read(b); err != nil {
		return 0, err
	}
	back := time.Now()
	if b[0]&7 != 4 || b[1] == 0 || b[1] > 15 {
		return 0, net.ErrClosed // not a synchronised server
	}
	at := func(i int) time.Time {
		s, f := binary.BigEndian.Uint32(b[i:]), binary.BigEndian.Uint32(b[i+4:])
		return time.Unix(int64(s)+ntpEpoch, int64(f)*1e9>>32)
	}
	return (at(32).Sub(sent) + at(40).Sub(back)) / 2, nil
}
