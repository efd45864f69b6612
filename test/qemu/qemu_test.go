package qemu

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// sector is a disk whose boot sector writes text to the first serial line and halts.
func sector(t *testing.T, text string) Disk {
	t.Helper()
	code := []byte{
		0x31, 0xc0, 0x8e, 0xd8, // xor ax,ax; mov ds,ax
		0xbe, 0x17, 0x7c, // mov si, 0x7c17
		0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0xfc,             // cld
		0xac, 0x84, 0xc0, // lodsb; test al,al
		0x74, 0x03, 0xee, 0xeb, 0xf8, // jz halt; out dx,al; jmp lodsb
		0xf4, 0xeb, 0xfd, // halt: hlt; jmp halt
		0x00,
	}
	disk := make([]byte, 1<<20)
	copy(disk[copy(disk, code):], text)
	disk[510], disk[511] = 0x55, 0xaa
	path := filepath.Join(t.TempDir(), "disk,1")
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	return Disk{Path: path, Serial: "test"}
}

func TestMachine(t *testing.T) {
	testenv.Program(t, "qemu-system-x86_64", "apt-get install qemu-system-x86")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	m, err := Start(ctx, Config{Disks: []Disk{sector(t, "one\r\ntwo: ready\r\nthree\n")}, Ports: []int{7600}, MemoryMiB: 32})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Kill()
	line, err := m.WaitLine(ctx, "ready")
	if err != nil || line != "two: ready" {
		t.Fatalf("WaitLine = %q, %v", line, err)
	}
	if line, err := m.WaitLine(ctx, ""); err != nil || line != "three" {
		t.Errorf("the line after it = %q, %v", line, err)
	}
	if a := m.Addr(7600); !strings.HasPrefix(a, "127.0.0.1:") {
		t.Errorf("Addr = %q", a)
	}
	if err := m.Press(ctx, "no-such-command"); err == nil || !strings.Contains(err.Error(), "no-such-command") {
		t.Errorf("unknown monitor command: %v", err)
	}
	if err := m.Press(ctx, "system_reset"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.WaitLine(ctx, "ready"); err != nil {
		t.Fatalf("after a reset: %v", err)
	}
	m.Kill()
	if m.Err() == nil {
		t.Error("a killed machine has no error")
	}
	if _, err := m.WaitLine(ctx, "never"); err == nil || !strings.Contains(err.Error(), "one") {
		t.Errorf("waiting for a dead machine: %v", err)
	}
	if _, err := os.Stat(m.dir); !os.IsNotExist(err) {
		t.Errorf("%s is left behind", m.dir)
	}
}

func TestQEMUsOwnWords(t *testing.T) {
	testenv.Program(t, "qemu-system-x86_64", "apt-get install qemu-system-x86")
	m, err := Start(t.Context(), Config{Kernel: "/nowhere/vmlinuz"})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Err(); err == nil || !strings.Contains(err.Error(), "vmlinuz") {
		t.Errorf("err = %v", err)
	}
}
