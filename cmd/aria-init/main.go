// Aria-init is the first process of the boot image. See boot/pid1.
package main

import "github.com/ariacomputecompany/firmware/boot/pid1"

func main() { pid1.Main() }
