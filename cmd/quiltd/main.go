// Quiltd is the Quilt sync-engine: it runs user code in containers under leases
// of resource tokens. See quilt/daemon.
package main

import (
	"os"

	"github.com/ariacomputecompany/firmware/quilt/daemon"
)

func main() { os.Exit(daemon.Main(os.Args[1:], os.Stdout, os.Stderr)) }
