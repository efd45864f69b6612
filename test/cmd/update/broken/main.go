// Broken stands in for a program of the image in updates that must not be kept:
// as init it ends at once, as ariad it does nothing for ever.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	name := filepath.Base(os.Args[0])
	fmt.Println("broken", name)
	if name == "init" {
		os.Exit(3)
	}
	for {
		time.Sleep(time.Hour)
	}
}
