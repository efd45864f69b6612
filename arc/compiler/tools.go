package compiler

import (
	"github.com/microsoft/typescript-go/arctsc"

	"github.com/ariacomputecompany/firmware/bundle"
)

// Tools says what this compiler is made of, as it stands in every bundle.
func Tools() bundle.Builder {
	return bundle.Builder{Arc: Version, TypeScript: arctsc.Version(), Esbuild: esbuildVersion}
}
