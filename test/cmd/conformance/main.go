// Command conformance compares the schemas that arc derives with those of an
// outside project and prints the score. Every case that differs is named.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/ariacomputecompany/firmware/test/conformance"
)

func main() {
	top := flag.String("top", ".", "folder of the repository; the data lies beside it, or where $ARIA_CONFORMANCE says")
	flag.Parse()
	dir, ok := conformance.Find(*top)
	if !ok {
		fmt.Println("conformance: the outside data is not here; this is the score of the last comparison")
	}
	reasons, err := conformance.Named()
	if err == nil {
		var s conformance.Score
		s, err = conformance.Compare(dir, func(o conformance.Outcome) {
			if !o.Agrees {
				fmt.Printf("%-32s %s\n%32s %s\n", o.Case, reasons[o.Case], "", o.Detail)
			}
		})
		for _, w := range s.Wrong {
			fmt.Println("WRONG", w)
		}
		if err == nil {
			fmt.Println(s)
			if !s.OK() {
				os.Exit(1)
			}
			return
		}
	}
	fmt.Fprintln(os.Stderr, "conformance:", err)
	os.Exit(1)
}
