// Command arc builds Aria projects and talks to a running ariad.
package main

import (
	"os"

	"github.com/ariacomputecompany/firmware/arc/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
