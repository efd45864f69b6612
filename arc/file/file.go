// Package file reads the files of a project. A project may be somebody else's, and
// opened to look at it: a file that never ends, or never begins, is refused with a
// sentence instead of filling the memory or waiting for ever.
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Bounds of what people write, of what their tools write, and of bundles.
const (
	Small = 1 << 20
	Large = 64 << 20
)

// Read is the content of a regular file of at most max bytes. Links are followed:
// what they lead to counts. name is what people call the file. A missing one is an
// error that is fs.ErrNotExist; all others are fault.Invalid, ready to be read.
func Read(path, name string, max int64) ([]byte, error) {
	if _, err := regular(path, name, os.Stat); err != nil {
		return nil, err
	}
	// It may be another file by now: opening a pipe must not wait.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, unreadable(err, name)
	}
	defer f.Close()
	info, err := regular(path, name, func(string) (fs.FileInfo, error) { return f.Stat() })
	if err != nil {
		return nil, err
	}
	if info.Size() > max {
		return nil, tooLarge(name, max)
	}
	// The size says nothing of a file that grows.
	text, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, unreadable(err, name)
	}
	if int64(len(text)) > max {
		return nil, tooLarge(name, max)
	}
	return text, nil
}

func regular(path, name string, stat func(string) (fs.FileInfo, error)) (fs.FileInfo, error) {
	info, err := stat(path)
	if err != nil {
		return nil, unreadable(err, name)
	}
	if kind := kindOf(info.Mode()); kind != "" {
		return nil, fault.New(fault.Invalid, "%s is %s, not a file", name, kind).WithHint("put an ordinary file there, or remove it")
	}
	return info, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return ""
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

func tooLarge(name string, max int64) error {
	size := fmt.Sprintf("%d MiB", max>>20)
	if max < 1<<20 {
		size = fmt.Sprintf("%d bytes", max)
	}
	return fault.New(fault.Invalid, "%s is larger than %s, more than arc reads of such a file", name, size).
		WithHint("check what wrote it")
}

func unreadable(err error, name string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fault.Wrap(err, fault.Invalid, "%s cannot be read", name).WithHint("check that the file is yours to read")
}
