package compiler

import (
	"github.com/microsoft/typescript-go/arctsc"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/version"
)

// Tools says what this compiler is made of, as it stands in every bundle.
func Tools() bundle.Builder {
	return bundle.Builder{Arc: version.Version, TypeScript: arctsc.Version(), Esbuild: esbuildVersion}
}
