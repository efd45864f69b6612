package broker

import (
	"encoding/binary"
	"fmt"
	"io"
)

// inbox reads frames from inside. What was read and is not yet a whole frame
// stays in it, so a read that was cut short (a deadline, a restart) loses
// nothing. It never holds much more than has arrived, so a length alone costs
// nothing.
type inbox struct {
	r    io.Reader
	buf  []byte
	room [16 << 10]byte
}

// next is the next frame. A connection that ends in the middle of a frame is how
// a killed container looks, and no breach.
func (b *inbox) next() (inbound, error) {
	for {
		if len(b.buf) >= 4 {
			size := binary.BigEndian.Uint32(b.buf)
			if size > MaxIn {
				return inbound{}, protocolError("a frame of %d bytes; at most %d are allowed", size, MaxIn)
			}
			if end := 4 + int(size); len(b.buf) >= end {
				f, err := decode(b.buf[4:end])
				b.advance(end)
				return f, err
			}
		}
		n, err := b.r.Read(b.room[:])
		b.buf = append(b.buf, b.room[:n]...)
		if err != nil && n == 0 {
			if err == io.EOF && len(b.buf) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return inbound{}, fmt.Errorf("read frame: %w", err)
		}
	}
}

// advance drops the frame that was read, and the memory of a large one.
func (b *inbox) advance(n int) {
	rest := b.buf[n:]
	if cap(b.buf) > 4*len(b.room) {
		b.buf = append([]byte(nil), rest...)
		return
	}
	b.buf = b.buf[:copy(b.buf, rest)]
}

// whole says that another frame is here already.
func (b *inbox) whole() bool {
	return len(b.buf) >= 4 && len(b.buf) >= 4+int(binary.BigEndian.Uint32(b.buf)&0x7fffffff)
}
