// Answers every request with a text, and with the node that it runs on.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

const text = "hello"

func main() {
	node := os.Getenv("NODE")
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s from %s\n", text, node)
	})
	log.Printf("answering %q on %s", text, node)
	log.Fatal(http.ListenAndServe(":8080", nil))
}
