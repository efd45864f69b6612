package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/credentials"
)

// peerCheck lets in who connects as root or as one of uids. The kernel vouches
// for the user (SO_PEERCRED); nothing is asked of the client.
type peerCheck struct{ uids []uint32 }

type peerInfo struct {
	credentials.CommonAuthInfo
	UID uint32
}

func (peerInfo) AuthType() string { return "peercred" }

func (p peerCheck) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	uid, err := peerUID(c)
	if err != nil {
		return nil, nil, fmt.Errorf("peer credentials: %w", err)
	}
	if uid != 0 && !slices.Contains(p.uids, uid) {
		return nil, nil, fmt.Errorf("user %d may not use this socket", uid)
	}
	info := peerInfo{UID: uid}
	info.SecurityLevel = credentials.PrivacyAndIntegrity // it never leaves the kernel
	return c, info, nil
}

func peerUID(c net.Conn) (uint32, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return 0, errors.New("not a Unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return cred.Uid, nil
}

func (peerCheck) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("peerCheck is for servers")
}

func (peerCheck) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "peercred"}
}

func (p peerCheck) Clone() credentials.TransportCredentials { return p }
func (peerCheck) OverrideServerName(string) error           { return nil }

// utf8 keeps a message that a container wrote from breaking the encoding.
func utf8(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
