// Command aria-init is /init of the boot image.
package main

import "github.com/ariacomputecompany/firmware/boot/pid1"

func main() { pid1.Main() }
