package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/firmware"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

func (a *app) firmwareKeyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "key NAME",
		Short: "Make a signing key: NAME.key to keep, NAME.pub to bake into images",
		Long:  wordsFirmwareKeyLong,
		Args:  want(1, 1, "a name for the key's two files"),
		RunE: func(_ *cobra.Command, args []string) error {
			s := firmware.NewSecret()
			for _, f := range []struct {
				path, text string
				mode       os.FileMode
			}{{args[0] + ".key", s.Text(), 0o600}, {args[0] + ".pub", s.Public().Text(), 0o644}} {
				if err := writeNew(f.path, f.text, f.mode); err != nil {
					if f.mode == 0o644 { // half a pair is none
						_ = os.Remove(args[0] + ".key")
					}
					return err
				}
			}
			id := s.Public().ID()
			a.note("keep %s.key where only the signer can read it", args[0])
			return a.result(struct {
				ID     string `json:"id"`
				Secret string `json:"secret"`
				Public string `json:"public"`
			}{id, args[0] + ".key", args[0] + ".pub"}, func(w io.Writer) { fmt.Fprintln(w, id) })
		},
	}
}

// writeNew never overwrites: a key that is lost cannot be made again.
func writeNew(path, text string, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fault.New(fault.Conflict, "%s exists already", path).WithHint("choose another name, or move it away")
	}
	if err != nil {
		return fault.New(fault.Invalid, "%s cannot be written: %s", path, reason(err))
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fault.New(fault.Exhausted, "%s cannot be written: %s", path, reason(err))
	}
	return nil
}

func (a *app) firmwareSignCmd() *cobra.Command {
	var key, out, version, arch string
	c := &cobra.Command{
		Use:   "sign DIR",
		Short: "Sign the root.img and linux.efi of one version into an image to push",
		Long:  wordsFirmwareSignLong,
		Args:  want(1, 1, "the folder that make image wrote"),
		RunE: func(_ *cobra.Command, args []string) error {
			if key == "" || version == "" {
				return fault.New(fault.Invalid, "arc firmware sign needs --key and --version").
					WithHint("arc firmware sign %s --key NAME.key --version 1.0.0", args[0])
			}
			s, err := firmware.ReadSecret(key)
			if err != nil {
				return err
			}
			to := first(out, "aria-"+version+".fw")
			h, err := firmware.WriteImage(to, filepath.Join(args[0], "root.img"), filepath.Join(args[0], "linux.efi"), version, arch, s)
			if err != nil {
				return err
			}
			return a.result(struct {
				File  string          `json:"file"`
				Image firmware.Digest `json:"image"`
				Size  int64           `json:"size"`
				Key   string          `json:"key"`
			}{to, h.ID(), firmware.HeaderSize + h.Size(), s.Public().ID()}, func(w io.Writer) { fmt.Fprintln(w, to) })
		},
	}
	c.Flags().StringVar(&key, "key", "", "the .key file to sign with")
	c.Flags().StringVar(&version, "version", "", "the version that the image holds")
	c.Flags().StringVar(&arch, "arch", "x86_64", "the architecture that the image is for")
	c.Flags().StringVarP(&out, "out", "o", "", "where to write (default aria-VERSION.fw)")
	return c
}
