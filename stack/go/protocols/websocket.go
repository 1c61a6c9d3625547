package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// acceptGUID is what RFC 6455 has both sides append to the key.
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// overWebSocket answers each message with the greeting and the message, until the caller closes.
func overWebSocket(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || key == "" {
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "this is for WebSockets", http.StatusUpgradeRequired)
		return
	}
	connection, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer connection.Close()
	sum := sha1.Sum([]byte(key + acceptGUID))
	fmt.Fprintf(buffered, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	if buffered.Flush() != nil {
		return
	}
	for {
		op, payload, err := readFrame(buffered.Reader)
		if err != nil {
			return
		}
		switch op {
		case opPing:
			err = writeFrame(buffered.Writer, opPong, payload)
		case opClose:
			_ = writeFrame(buffered.Writer, opClose, payload)
			return
		case opPong:
		default:
			err = writeFrame(buffered.Writer, opText, fmt.Appendf(nil, "%s, echo: %s", greeting, payload))
		}
		if err != nil {
			return
		}
	}
}

// readFrame reads a frame of a caller, which masks all of them. Messages in several frames are not needed here.
func readFrame(from *bufio.Reader) (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0]&0x80 == 0 || head[1]&0x80 == 0 {
		return 0, nil, errors.New("a part of a message, or one without a mask")
	}
	length := uint64(head[1] & 0x7f)
	switch length {
	case 126:
		var more uint16
		err = binary.Read(from, binary.BigEndian, &more)
		length = uint64(more)
	case 127:
		err = binary.Read(from, binary.BigEndian, &length)
	}
	if err == nil && length > mostMessage {
		err = errors.New("a message that is too long")
	}
	if err != nil {
		return 0, nil, err
	}
	var mask [4]byte
	if _, err := io.ReadFull(from, mask[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, length)
	if _, err := io.ReadFull(from, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return head[0] & 0x0f, payload, nil
}

// writeFrame writes a whole message in one frame, without a mask, as a server does.
func writeFrame(to *bufio.Writer, op byte, payload []byte) error {
	head := []byte{0x80 | op}
	switch length := len(payload); {
	case length < 126:
		head = append(head, byte(length))
	case length < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 126), uint16(length))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 127), uint64(length))
	}
	if _, err := to.Write(append(head, payload...)); err != nil {
		return err
	}
	return to.Flush()
}
