package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version of arc. Release builds set it with -ldflags "-X …/arc/cli.Version=".
var Version = "0.1.0-dev"

type versionResult struct {
	Version    string `json:"version"`
	Revision   string `json:"revision,omitempty"`
	Go         string `json:"go"`
	TypeScript string `json:"typescript,omitempty"`
	Esbuild    string `json:"esbuild,omitempty"`
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
	v := versionResult{Version: Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	for _, d := range info.Deps {
		switch d.Path {
		case "github.com/evanw/esbuild":
			v.Esbuild = d.Version
		case "github.com/microsoft/typescript-go":
			v.TypeScript = d.Version
		}
	}
	return v
}
