package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// uefi runs the QEMU line of the guide, word for word but for the disk (an
// overlay, with what the first boot left on it) and the port.
func (b *bench) uefi(ctx context.Context) error {
	guide, err := os.ReadFile(b.guide)
	if err != nil {
		return err
	}
	words := qemuLine(string(guide))
	if len(words) == 0 {
		return fmt.Errorf("%s has no line that begins with qemu-system-x86_64", b.guide)
	}
	kept := b.disk != "" // the first boot's data must be there
	if !kept {
		if b.disk, err = b.overlay("uefi"); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	l.Close()
	disk, port := false, false
	for i, w := range words {
		if strings.Contains(w, "bin/boot/aria.qcow2") {
			words[i], disk = strings.ReplaceAll(w, "bin/boot/aria.qcow2", b.disk), true
		}
		if strings.Contains(w, "127.0.0.1:7600-") {
			words[i], port = strings.ReplaceAll(w, "127.0.0.1:7600-", addr+"-"), true
		}
	}
	if !disk || !port {
		return fmt.Errorf("the line of %s names no bin/boot/aria.qcow2 or no port 127.0.0.1:7600", b.guide)
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	line, err := firstLine(out, "aria: ready", 5*time.Minute)
	if err != nil {
		return err
	}
	fmt.Println(strings.TrimSpace(line))
	if !strings.Contains(line, "boot uefi") {
		return fmt.Errorf("not booted by UEFI: %s", line)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if !kept {
		return nil
	}
	return b.arc(ctx, "http://"+addr, `"status":"paid"`, "run", "orders.get", "--input", `{"id":"A-17"}`)
}

// qemuLine finds the command and joins its continued lines.
func qemuLine(doc string) []string {
	doc = strings.ReplaceAll(doc, "\\\n", " ")
	for line := range strings.Lines(doc) {
		if strings.HasPrefix(line, "qemu-system-x86_64 ") {
			return strings.Fields(line)
		}
	}
	return nil
}

func firstLine(r io.Reader, what string, within time.Duration) (string, error) {
	type found struct {
		line string
		err  error
	}
	c := make(chan found, 1)
	go func() {
		in := bufio.NewReader(r)
		var last []string
		for {
			line, err := in.ReadString('\n')
			if strings.Contains(line, what) {
				c <- found{line, nil}
				return
			}
			last = append(last, line)
			if err != nil {
				c <- found{"", fmt.Errorf("the machine ended before it said %q:\n%s", what, tail(strings.Join(last, "")))}
				return
			}
		}
	}()
	select {
	case f := <-c:
		return f.line, f.err
	case <-time.After(within):
		return "", errors.New("no line " + what + " within " + within.String())
	}
}
