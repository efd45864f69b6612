// Mkboot builds the boot image. See boot/build.
package main

import (
	"os"

	"github.com/ariacomputecompany/firmware/boot/build"
)

func main() { os.Exit(build.Main(os.Args[1:], os.Stdout, os.Stderr)) }
