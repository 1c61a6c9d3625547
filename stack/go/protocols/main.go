// Command protocols answers by whatever a mesh must carry besides plain HTTP, and says the version that it was deployed as in every answer.
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Ports, one for each protocol. WebSockets begin as HTTP, so they share its port.
const (
	httpPort = ":8080"
	grpcPort = ":9090"
	tcpPort  = ":7000"
	tlsPort  = ":8443"
)

const (
	// drain is how long requests in flight may take once the pod is told to end.
	drain = 5 * time.Second
	// mostHeaders is how many bytes of headers are taken, more than any proxy of the mesh lets through.
	mostHeaders = 1 << 20
)

// greeting begins every answer.
var greeting = "Hello version: " + os.Getenv("SERVICE_VERSION") + ", instance: " + os.Getenv("HOSTNAME")

func main() {
	log.SetFlags(0)
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()

	certificate, err := selfSigned()
	if err != nil {
		log.Fatal(err)
	}
	servers := []*http.Server{
		{Addr: httpPort, Handler: overHTTP(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: mostHeaders},
		{Addr: grpcPort, Handler: http.HandlerFunc(overGRPC), ReadHeaderTimeout: 10 * time.Second, Protocols: h2c()},
		{Addr: tlsPort, Handler: http.HandlerFunc(overTLS), ReadHeaderTimeout: 10 * time.Second, TLSConfig: certificate},
	}
	for _, server := range servers {
		go serve(server)
	}
	listener, err := net.Listen("tcp", tcpPort)
	if err != nil {
		log.Fatal(err)
	}
	go serveTCP(listener)

	<-stop.Done()
	_ = listener.Close()
	limit, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	var drained sync.WaitGroup
	for _, server := range servers {
		drained.Add(1)
		go func() {
			defer drained.Done()
			if err := server.Shutdown(limit); err != nil {
				log.Printf("shutdown of %s: %v", server.Addr, err)
			}
		}()
	}
	drained.Wait()
}

func serve(server *http.Server) {
	listen := server.ListenAndServe
	if server.TLSConfig != nil {
		listen = func() error { return server.ListenAndServeTLS("", "") }
	}
	if err := listen(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
