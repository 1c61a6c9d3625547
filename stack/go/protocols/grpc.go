package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// mostMessage is how long a message may be, as gRPC has it by default.
const mostMessage = 4 << 20

// h2c is HTTP/2 without TLS, which the sidecar adds.
func h2c() *http.Protocols {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return protocols
}

// overGRPC answers a unary call of any method with a message that has the greeting and as many bytes as came. A method `Fail/N` ends with status N.
func overGRPC(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		http.Error(w, "this is no gRPC", http.StatusUnsupportedMediaType)
		return
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	// Without a length, so that nobody takes the answer for whole before its trailers.
	if err := http.NewResponseController(w).Flush(); err != nil {
		return
	}
	status, said, came := 0, "", 0
	message, err := readMessage(r.Body)
	switch {
	case err != nil:
		status, said = 13, err.Error()
	default:
		came = len(message)
		status = wanted(r.URL.Path)
	}
	if status == 0 {
		payload := fmt.Appendf(nil, "%s, message: %d bytes\n", greeting, came)
		frame := make([]byte, 5, 5+len(payload))
		binary.BigEndian.PutUint32(frame[1:], uint32(len(payload)))
		_, _ = w.Write(append(frame, payload...))
	} else if said == "" {
		said = "failed as asked by " + greeting
	}
	w.Header().Set("Grpc-Status", strconv.Itoa(status))
	w.Header().Set("Grpc-Message", said)
}

// wanted is the status that a method ends with.
func wanted(path string) int {
	if _, number, found := strings.Cut(path, "Fail/"); found {
		if status, err := strconv.Atoi(number); err == nil && status > 0 && status <= 16 {
			return status
		}
	}
	return 0
}

// readMessage reads the one message of a unary call.
func readMessage(body io.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(body, head[:]); err != nil {
		return nil, fmt.Errorf("there is no message: %w", err)
	}
	if head[0] != 0 {
		return nil, errors.New("the message is compressed, and nothing was agreed")
	}
	length := binary.BigEndian.Uint32(head[1:])
	if length > mostMessage {
		return nil, fmt.Errorf("a message of %d bytes is too long", length)
	}
	message := make([]byte, length)
	if _, err := io.ReadFull(body, message); err != nil {
		return nil, fmt.Errorf("the message breaks off: %w", err)
	}
	return message, nil
}
