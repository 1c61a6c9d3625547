package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// mostBack is how many bytes are sent back at most.
const mostBack = 64 << 20

// overHTTP answers with how much came in. The query says how many bytes of body and of a header go back.
func overHTTP() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("GET /ws", overWebSocket)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	return mux
}

func echo(w http.ResponseWriter, r *http.Request) {
	came, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, fmt.Sprintf("the body broke off after %d bytes: %v", came, err), http.StatusBadRequest)
		return
	}
	body, err := number(r, "body")
	headers, otherErr := number(r, "headers")
	if err != nil || otherErr != nil {
		http.Error(w, "body and headers are numbers of bytes", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Version", greeting)
	w.Header().Set("X-Body-Bytes", strconv.FormatInt(came, 10))
	w.Header().Set("X-Header-Bytes", strconv.Itoa(headerBytes(r)))
	if headers > 0 {
		// Its end says that all of it has come.
		w.Header().Set("X-Large", strings.Repeat("a", headers)+"-end")
	}
	said := fmt.Sprintf("%s, body: %d bytes, headers: %d bytes\n", greeting, came, headerBytes(r))
	if body <= len(said) {
		fmt.Fprint(w, said)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(body))
	fmt.Fprint(w, said)
	_, _ = io.CopyN(w, endless{}, int64(body-len(said)))
}

// headerBytes counts names and values of all headers.
func headerBytes(r *http.Request) int {
	sum := 0
	for name, values := range r.Header {
		for _, value := range values {
			sum += len(name) + len(value)
		}
	}
	return sum
}

func number(r *http.Request, name string) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	value, err := strconv.ParseUint(text, 10, 31)
	if err == nil && value > mostBack {
		err = strconv.ErrRange
	}
	return int(value), err
}

// endless gives as many bytes as are read.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '.'
	}
	return len(p), nil
}
