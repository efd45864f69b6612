package oci

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// notifies says that somebody outside is to decide about calls.
func notifies(s *specs.LinuxSeccomp) bool {
	if s == nil {
		return false
	}
	for _, group := range s.Syscalls {
		if group.Action == specs.ActNotify {
			return true
		}
	}
	return false
}

// checkNotify refuses what could never start: the child itself makes these calls
// before anybody could answer.
func checkNotify(s *specs.LinuxSeccomp) error {
	if s.DefaultAction == specs.ActNotify {
		return refuse("linux.seccomp: SCMP_ACT_NOTIFY cannot be the default action")
	}
	if !notifies(s) {
		return nil // a listener without a call is nobody's business
	}
	if s.ListenerPath == "" {
		return refuse("linux.seccomp: SCMP_ACT_NOTIFY needs linux.seccomp.listenerPath")
	}
	for _, group := range s.Syscalls {
		for _, name := range group.Names {
			if group.Action == specs.ActNotify && (name == "write" || name == "sendmsg") {
				return refuse("linux.seccomp: SCMP_ACT_NOTIFY cannot be used for the %s syscall", name)
			}
		}
	}
	return nil
}

// dialListener connects to who decides, for the child to send it the filter.
func (l *launch) dialListener() (err error) {
	s := l.spec.Linux.Seccomp
	if !notifies(s) {
		return nil
	}
	if l.listener, err = dialSocket(s.ListenerPath); err != nil {
		return fault.Wrap(err, fault.Unavailable, "failed to connect with seccomp agent %s", s.ListenerPath)
	}
	return nil
}

// install puts the filter on the calling thread, and hands the listener that it
// may have to who decides about calls.
func (c *child) install(f *filter) error {
	if f == nil {
		return nil
	}
	var m *message
	if f.flags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 {
		state := c.State
		if !c.Exec {
			state.Pid = c.Pid
		}
		text, err := json.Marshal(specs.ContainerProcessState{Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: c.Pid,
			Metadata: c.Spec.Linux.Seccomp.ListenerMetadata, State: state})
		if err != nil {
			return err
		}
		m = newMessage(text)
	}
	prog := &unix.SockFprog{Len: uint16(len(f.prog)), Filter: &f.prog[0]}
	fd, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, f.flags, uintptr(unsafe.Pointer(prog)))
	if e == 0 && m != nil {
		e = m.send(c.Listener, int32(fd))
	}
	runtime.KeepAlive(f)
	if e != 0 {
		return fmt.Errorf("install the seccomp filter: %w", e)
	}
	if m != nil {
		unix.Close(int(fd))
		unix.Close(c.Listener)
	}
	return nil
}

// message is one with a descriptor, made before the filter is there: from then on
// every call may have to wait until the other side has got the descriptor.
type message struct {
	text   []byte
	rights []byte
	vec    unix.Iovec
	head   unix.Msghdr
}

func newMessage(text []byte) *message {
	m := &message{text: text, rights: unix.UnixRights(0)}
	m.vec.Base = &m.text[0]
	m.vec.SetLen(len(m.text))
	m.head.Iov, m.head.Iovlen = &m.vec, 1
	m.head.Control = &m.rights[0]
	m.head.SetControllen(len(m.rights))
	return m
}

func (m *message) send(to int, fd int32) syscall.Errno {
	*(*int32)(unsafe.Pointer(&m.rights[unix.CmsgLen(0)])) = fd
	_, _, e := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(to), uintptr(unsafe.Pointer(&m.head)), 0)
	runtime.KeepAlive(m)
	return e
}

// installPrivileged is install for who has not set no_new_privs: it takes the
// capability that the kernel then asks for, which is still permitted.
func (c *child) installPrivileged(f *filter) error {
	permitted, err := held("CapPrm")
	if err != nil {
		return err
	}
	all := capSets{effective: permitted, permitted: permitted}
	if err := all.apply(func(string) {}); err != nil {
		return err
	}
	return c.install(f)
}

// sendPidfd gives who listens at path a hold on the process.
func sendPidfd(path string, pid int) error {
	if path == "" {
		return nil
	}
	conn, err := dialSocket(path)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the pidfd socket %s cannot be reached", path)
	}
	defer conn.Close()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendmsg(int(conn.Fd()), []byte("pidfd"), unix.UnixRights(fd), nil, 0); err != nil {
		return fmt.Errorf("send the pidfd: %w", os.NewSyscallError("sendmsg", err))
	}
	return nil
}
