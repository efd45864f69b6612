// Command ariad is the Aria Runtime: `ariad up` starts it with quiltd beside it.
package main

import (
	"os"

	"github.com/ariacomputecompany/firmware/aria/daemon"
)

func main() { os.Exit(daemon.Main(os.Args[1:], os.Stdout, os.Stderr)) }
