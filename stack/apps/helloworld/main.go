// Command helloworld answers every request with the version that it was deployed as, which is what shows where a request went.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// drain is how long requests in flight may take once the pod is told to end.
const drain = 5 * time.Second

func main() {
	answer := fmt.Sprintf("Hello version: %s, instance: %s\n", os.Getenv("SERVICE_VERSION"), os.Getenv("HOSTNAME"))

	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, answer)
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	})
	server := &http.Server{Addr: ":5000", Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		<-stop.Done()
		limit, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		if err := server.Shutdown(limit); err != nil {
			log.Printf("shutdown: %v", err)
		}
	}()

	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-drained
}
