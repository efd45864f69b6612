package powerdisk

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// The part of the NBD protocol that QEMU needs: fixed newstyle negotiation,
// simple replies, read, write, flush and FUA (the NetworkBlockDevice project's
// doc/proto.md).
const (
	magicNBD    = 0x4e42444d41474943 // "NBDMAGIC"
	magicOption = 0x49484156454f5054 // "IHAVEOPT"
	magicReply  = 0x0003e889045565a9
	magicAsk    = 0x25609513
	magicAnswer = 0x67446698

	optExportName, optAbort, optInfo, optGo = 1, 2, 6, 7
	repAck, repInfo, repUnsupported         = 1, 3, 1<<31 | 1

	exportFlags = 1 | 1<<2 | 1<<3 // has flags, flush, FUA

	cmdRead, cmdWrite, cmdDisconnect, cmdFlush = 0, 1, 2, 3
	flagFUA                                    = 1

	errIO, errInvalid = 5, 22
	maxRequest        = 32 << 20
)

type wire struct {
	*bufio.ReadWriter
	err error
}

// get reads big-endian numbers.
func (w *wire) get(to ...any) {
	for _, v := range to {
		if w.err == nil {
			w.err = binary.Read(w, binary.BigEndian, v)
		}
	}
}

func (w *wire) put(vs ...any) {
	for _, v := range vs {
		if w.err == nil {
			w.err = binary.Write(w, binary.BigEndian, v)
		}
	}
}

// done sends what was put and gives the first error.
func (w *wire) done() error {
	if w.err == nil {
		w.err = w.Flush()
	}
	return w.err
}

// talk serves one connection to its end. A peer that goes away is no error.
func (d *Disk) talk(c net.Conn) error {
	w := &wire{ReadWriter: bufio.NewReadWriter(bufio.NewReaderSize(c, 1<<20), bufio.NewWriterSize(c, 1<<20))}
	err := d.negotiate(w)
	for err == nil {
		err = d.request(w)
	}
	var gone *net.OpError
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &gone) {
		return nil
	}
	return err
}

func (d *Disk) negotiate(w *wire) error {
	w.put(uint64(magicNBD), uint64(magicOption), uint16(1|2)) // fixed newstyle, no zeroes
	var flags uint32
	if err := w.done(); err != nil {
		return err
	}
	for w.get(&flags); w.err == nil; {
		var magic uint64
		var option, size uint32
		w.get(&magic, &option, &size)
		if w.err == nil && (magic != magicOption || size > 64<<10) {
			return fmt.Errorf("nbd: option %#x of %d bytes", magic, size)
		}
		w.get(make([]byte, size))
		switch option {
		case optExportName:
			w.put(uint64(d.size), uint16(exportFlags))
			return w.done()
		case optGo, optInfo:
			w.put(uint64(magicReply), option, uint32(repInfo), uint32(12), uint16(0), uint64(d.size), uint16(exportFlags))
			w.put(uint64(magicReply), option, uint32(repAck), uint32(0))
			if err := w.done(); err != nil || option == optGo {
				return err
			}
		case optAbort:
			return io.EOF
		default:
			w.put(uint64(magicReply), option, uint32(repUnsupported), uint32(0))
			_ = w.done()
		}
	}
	return w.err
}

func (d *Disk) request(w *wire) error {
	var magic uint32
	var flags, command uint16
	var handle, offset uint64
	var size uint32
	w.get(&magic, &flags, &command, &handle, &offset, &size)
	if w.err != nil {
		return w.err
	}
	if magic != magicAsk || size > maxRequest {
		return fmt.Errorf("nbd: request %#x of %d bytes", magic, size)
	}
	var data []byte
	if command == cmdRead || command == cmdWrite {
		data = make([]byte, size)
	}
	if command == cmdWrite {
		w.get(data)
	}
	if d.hold(command == cmdFlush) {
		return io.EOF // power is gone: this is never answered
	}
	bad := offset%sector != 0 || size%sector != 0 || offset+uint64(size) > uint64(d.size)
	var err error
	switch {
	case command == cmdDisconnect:
		return io.EOF
	case command == cmdFlush:
		err = d.Flush()
	case bad:
		err = errors.ErrUnsupported
	case command == cmdRead:
		err = d.read(data, int64(offset))
	case command == cmdWrite:
		err = d.write(data, int64(offset), flags&flagFUA != 0)
	default:
		err = errors.ErrUnsupported
	}
	code := uint32(0)
	if errors.Is(err, errors.ErrUnsupported) {
		code = errInvalid
	} else if err != nil {
		code = errIO
	}
	w.put(uint32(magicAnswer), code, handle)
	if command == cmdRead && code == 0 {
		w.put(data)
	}
	return w.done()
}
