// Quilt-oci is a runtime command as the Open Container Initiative defines one.
// See quilt/oci.
package main

import (
	"os"

	"github.com/ariacomputecompany/firmware/quilt/oci"
)

func main() { os.Exit(oci.Main(os.Args[1:], os.Stdout, os.Stderr)) }
