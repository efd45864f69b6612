//go:build !ariaimage

package embed

import _ "embed"

//go:embed use.bin
var useBin string

// model is the file, in the program.
func model() (string, error) { return useBin, nil }
