// Mesh brings a lab up, judges it again, and tells what is wrong: go run mesh.go SCENARIO
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
)

// Verdict is the part of what `lab verify` prints that is looked at here; `lab schema --output verify` says all of it.
type Verdict struct {
	Passed  bool
	Sources []struct {
		Cluster            string
		Requests, Failures int
		Versions           map[string]int
	}
	Findings []struct{ Cause, Remedy string }
}

// lab runs a verb and reads what it printed. A red verdict ends with 1 and is printed like a green one.
func lab(into any, words ...string) {
	command := exec.Command("lab", append(words, "--output", "json")...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil && command.ProcessState.ExitCode() != 1 {
		log.Fatal(err)
	}
	if err := json.Unmarshal(out, into); err != nil {
		log.Fatal(err)
	}
}

func main() {
	var plan struct{ Lab struct{ Name string } }
	var status struct {
		Clusters []struct{ Name, APIServer string }
	}
	var built, verdict Verdict
	lab(&built, "up", os.Args[1])
	lab(&plan, "plan", os.Args[1])
	lab(&status, "status", plan.Lab.Name)
	for _, c := range status.Clusters {
		fmt.Printf("%s: API server %s\n", c.Name, c.APIServer)
	}
	lab(&verdict, "verify", plan.Lab.Name)
	for _, s := range verdict.Sources {
		fmt.Printf("%s: %d requests, %d failed, answers %v\n", s.Cluster, s.Requests, s.Failures, s.Versions)
	}
	for _, f := range verdict.Findings {
		fmt.Printf("%s: %s\n", f.Cause, f.Remedy)
	}
	if !verdict.Passed {
		os.Exit(1)
	}
}
