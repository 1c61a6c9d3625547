package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"
)

// idle is how long a connection over which nothing comes is kept.
const idle = time.Minute

// serveTCP greets whoever connects before they have said anything, as databases and mail servers do, and then repeats each line.
func serveTCP(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Printf("accept: %v", err)
			continue
		}
		go overTCP(connection)
	}
}

func overTCP(connection net.Conn) {
	defer connection.Close()
	fmt.Fprintf(connection, "%s\n", greeting)
	lines := bufio.NewScanner(connection)
	for {
		_ = connection.SetDeadline(time.Now().Add(idle))
		if !lines.Scan() {
			return
		}
		fmt.Fprintf(connection, "echo: %s\n", lines.Text())
	}
}

// overTLS tells by which name it was asked.
func overTLS(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%s, name: %s\n", greeting, r.TLS.ServerName)
}

// selfSigned makes a certificate that nobody else has.
func selfSigned() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "protocols"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(10, 0, 0),
		DNSNames:     []string{"protocols"},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	certificate := tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, nil
}
