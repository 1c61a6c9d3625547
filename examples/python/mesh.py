#!/usr/bin/env python3
"""Brings a lab up, judges it again, and tells what is wrong: mesh.py SCENARIO"""
import json
import subprocess
import sys


def lab(*words):
    """Runs a verb of lab; gives what it printed. `lab schema --output VERB` says what that is."""
    done = subprocess.run(["lab", *words, "--output", "json"], stdout=subprocess.PIPE, text=True)
    # A red verdict ends with 1 and is printed like a green one. Of anything else lab has said what it is on standard error.
    if done.returncode > 1:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


lab("up", sys.argv[1])
name = lab("plan", sys.argv[1])["lab"]["name"]

for cluster in lab("status", name)["clusters"]:
    nodes = [node["address"] for node in cluster["nodes"] if node["running"]]
    print(f"{cluster['name']}: API server {cluster['apiServer']}, nodes {', '.join(nodes)}")

verdict = lab("verify", name)
for source in verdict["sources"]:
    print(f"{source['cluster']}: {source['requests']} requests, {source['failures']} failed, answers {source['versions']}")
for finding in verdict["findings"]:
    print(f"{finding['cause']}: {finding['remedy']}")
sys.exit(0 if verdict["passed"] else 1)
