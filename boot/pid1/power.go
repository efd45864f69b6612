package pid1

import (
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// powerButton tells when it is pressed.
func powerButton(log *slog.Logger) <-chan struct{} {
	pressed := make(chan struct{}, 1)
	list, _ := filepath.Glob("/sys/class/input/event*/device/name")
	for _, name := range list {
		b, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(b), "Power Button") {
			continue
		}
		event := filepath.Base(filepath.Dir(filepath.Dir(name)))
		go watchKey("/dev/input/"+event, pressed, log)
	}
	return pressed
}

// watchKey reads struct input_event (linux/input.h): 24 bytes on 64 bit.
func watchKey(path string, pressed chan<- struct{}, log *slog.Logger) {
	const keyEvent, keyPower = 1, 116
	var f *os.File
	var err error
	for range 50 { // the node appears a moment after the device
		if f, err = os.Open(path); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		log.Warn("the power button cannot be read", "err", err)
		return
	}
	defer f.Close()
	b := make([]byte, 24)
	for {
		if _, err := f.Read(b); err != nil {
			return
		}
		if binary.LittleEndian.Uint16(b[16:]) == keyEvent && binary.LittleEndian.Uint16(b[18:]) == keyPower && binary.LittleEndian.Uint32(b[20:]) == 1 {
			select {
			case pressed <- struct{}{}:
			default:
			}
		}
	}
}
