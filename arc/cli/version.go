package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/compiler"
)

type versionResult struct {
	Version    string `json:"version"`
	Revision   string `json:"revision,omitempty"` // of the source, where it was built in a checkout
	TypeScript string `json:"typescript"`
	Esbuild    string `json:"esbuild"`
	Go         string `json:"go"`
	Platform   string `json:"platform"`
}

func (a *app) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which arc this is and what it is built from",
		GroupID: groupMore,
		Args:    want(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			v := versionInfo()
			return a.result(v, func(w io.Writer) {
				fmt.Fprintf(w, "arc %s (TypeScript %s, esbuild %s, %s, %s)\n", v.Version, v.TypeScript, v.Esbuild, v.Go, v.Platform)
			})
		},
	}
}

func versionInfo() versionResult {
	tools := compiler.Tools()
	v := versionResult{
		Version: tools.Arc, TypeScript: tools.TypeScript, Esbuild: tools.Esbuild,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = s.Value
			}
		}
	}
	return v
}
