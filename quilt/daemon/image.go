package daemon

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/image"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
	"github.com/ariacomputecompany/firmware/sdk"
)

const imageUsage = `quiltd image build [flags]             make the image that containers run in, from Bun, and print its digest
quiltd image import FILE [NAME] [flags] take an OCI layout, an archive of docker save, or the tar of a root as a base
quiltd image ls [flags]                 list the imported ones
quiltd image verify [NAME] [flags]      hash one, or all, anew
quiltd image rm NAME [flags]            remove one
`

// imageConfig is what the image on cfg's base is made of.
func imageConfig(cfg Config, bun string) (image.Config, error) {
	c := image.Config{Bun: bun, Harness: sdk.Harness(), CA: cfg.Net.CA, CacheDir: imageFolder(cfg)}
	if cfg.Base == "" {
		return c, nil
	}
	var err error
	c.Base, err = image.FindBase(c.CacheDir, cfg.Base)
	return c, err
}

func imageFolder(cfg Config) string { return filepath.Join(cfg.Data, "images") }

func buildImage(cfg Config, bun string) (image.Image, error) {
	c, err := imageConfig(cfg, bun)
	if err != nil {
		return image.Image{}, err
	}
	return image.Build(c)
}

// words takes what stands before the first flag off args.
func words(args []string) (before, rest []string) {
	for i, a := range args {
		if strings.HasPrefix(a, "-") {
			return args[:i], args[i:]
		}
	}
	return args, nil
}

// runImage is `quiltd image`.
func runImage(args []string, stdout, stderr io.Writer) error {
	given, flags := words(args)
	if len(given) == 0 {
		fmt.Fprint(stderr, imageUsage)
		return flag.ErrHelp
	}
	cfg, _, err := parse(flags, stderr)
	if err != nil {
		return err
	}
	command, given := given[0], given[1:]
	least, most := map[string]int{"import": 1, "rm": 1}[command], map[string]int{"import": 2, "rm": 1, "verify": 1}[command]
	if len(given) < least || len(given) > most {
		return fault.New(fault.Invalid, "quiltd image %s takes %d to %d arguments, not %d", command, least, most, len(given)).WithHint("see quiltd image")
	}
	given = append(given, "", "")
	switch command {
	case "build":
		return imageBuild(cfg, stdout)
	case "import":
		return imageImport(cfg, given[0], given[1], stdout)
	case "ls":
		return imageList(cfg, stdout)
	case "verify":
		return imageVerify(cfg, given[0], stdout)
	case "rm":
		if err := image.RemoveBase(imageFolder(cfg), given[0]); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "removed %s\n", given[0])
		return nil
	}
	return fault.New(fault.Invalid, "quiltd image has no command %q", command).WithHint("build, import, ls, verify or rm")
}

func imageBuild(cfg Config, out io.Writer) error {
	bun, err := findBun(cfg.Bun)
	if err != nil {
		return err
	}
	began := time.Now()
	img, err := buildImage(cfg, bun)
	if err != nil {
		return err
	}
	how := "built"
	if img.Reused {
		how = "verified"
	}
	fmt.Fprintf(out, "image: %s %s in %d ms\n", img.Digest, how, time.Since(began).Milliseconds())
	return nil
}

func imageImport(cfg Config, file, name string, out io.Writer) error {
	bun, err := findBun(cfg.Bun)
	if err != nil {
		return err
	}
	cfg.Base = ""
	c, err := imageConfig(cfg, bun)
	if err != nil {
		return err
	}
	if name == "" {
		name, _, _ = strings.Cut(strings.ToLower(filepath.Base(file)), ".")
	}
	b, err := image.Import(context.Background(), c, file, name, image.DefaultMaxBytes)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "imported %s: %s, %d files, %d MiB\n", b.Name, b.Digest, b.Files, b.Bytes>>20)
	if b.Dropped+b.Loose > 0 {
		fmt.Fprintf(out, "left out: %d set-user-id bits and capabilities, %d links that lead nowhere\n", b.Dropped, b.Loose)
	}
	fmt.Fprintf(out, "use it with: quiltd -base %s\n", b.Name)
	return nil
}

func imageList(cfg Config, out io.Writer) error {
	list, err := image.Bases(imageFolder(cfg))
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 1, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tDIGEST\tFILES\tMIB\tFROM\tIMPORTED")
	for _, b := range list {
		fmt.Fprintf(w, "%s\t%.16s\t%d\t%d\t%s\t%s\n", b.Name, b.Digest, b.Files, b.Bytes>>20, b.From, b.Made.Format(time.RFC3339))
	}
	return w.Flush()
}

func imageVerify(cfg Config, name string, out io.Writer) error {
	list, err := image.Bases(imageFolder(cfg))
	if name != "" {
		var b image.Base
		b, err = image.FindBase(imageFolder(cfg), name)
		list = []image.Base{b}
	}
	if err != nil {
		return err
	}
	for _, b := range list {
		if err := b.Verify(); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "verified: %d of %d images\n", len(list), len(list))
	return nil
}

// runPlan prints the plan of a container as it would be made here.
func runPlan(args []string, stdout, stderr io.Writer) error {
	given, flags := words(args)
	spec := sandbox.Spec{ID: "plan"}
	for _, g := range given {
		if g != "net" {
			return fault.New(fault.Invalid, "quiltd plan takes no argument %q", g).WithHint("net shows a container with a way out")
		}
		spec.Net = true
	}
	cfg, _, err := parse(flags, stderr)
	if err != nil {
		return err
	}
	host, err := sandbox.LookHost()
	if err != nil {
		return err
	}
	host.ImageDigest = image.Latest(imageFolder(cfg))
	plan, err := sandbox.NewPlan(spec, host)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s\n", text)
	return err
}
