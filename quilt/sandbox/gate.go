package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The gate is a TCP listener on the loopback of a container's own network
// namespace, which holds nothing else. The launcher makes it and hands it to
// the engine; whatever connects inside is answered outside. Without Spec.Net
// the loopback stays down and nothing listens.

// GateAddr is where the gate listens, the same in every container.
const GateAddr = "127.0.0.1:4180"

const (
	gatePort    = 4180
	gateBacklog = 64
)

// gateKey stands where clients of models insist on a key. It opens nothing: the
// gateway drops it and adds the real one outside.
const gateKey = "added-outside-the-container"

// gateEnv makes unmodified clients use the gate: of HTTP by the proxy's variables
// (Node's own http module needs NODE_USE_ENV_PROXY), of models by the variables
// that the providers' own clients read. Who holds which token shows only when a
// parked container is claimed, so all gates have all of them; the gate refuses.
func gateEnv() []string {
	const url = "http://" + GateAddr
	return []string{
		"OPENAI_BASE_URL=" + url + "/openai/v1", "OPENAI_API_KEY=" + gateKey,
		"ANTHROPIC_BASE_URL=" + url + "/anthropic", "ANTHROPIC_API_KEY=" + gateKey,
		"GOOGLE_GEMINI_BASE_URL=" + url + "/gemini", "GEMINI_API_KEY=" + gateKey,
		"ARIA_GATE=" + url,
		"HTTP_PROXY=" + url, "http_proxy=" + url,
		"HTTPS_PROXY=" + url, "https_proxy=" + url,
		"NODE_USE_ENV_PROXY=1",
	}
}

// newGate makes the socket, in the network namespace of the calling thread. It
// stays there whoever holds it.
func newGate() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("gate: %w", err)
	}
	return fd, nil
}

// openGate brings the loopback of fd's namespace up and listens.
func openGate(fd int) error {
	// struct ifreq of netdevice(7).
	var req struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(req.name[:], "lo")
	req.flags = unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOOPBACK
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return fmt.Errorf("gate: loopback up: %w", errno)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: gatePort, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return fmt.Errorf("gate: bind: %w", err)
	}
	if err := unix.Listen(fd, gateBacklog); err != nil {
		return fmt.Errorf("gate: listen: %w", err)
	}
	return nil
}

// handOver are the descriptors that go to the engine with "started".
func (r *running) handOver(pidfd int) []int {
	if r.gate < 0 {
		return []int{pidfd}
	}
	return []int{pidfd, r.gate}
}

// wantFDs is how many that are.
func wantFDs(p Plan) int {
	if p.Spec.Net {
		return 2
	}
	return 1
}
