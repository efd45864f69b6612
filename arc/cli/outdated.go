package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/project"
	"github.com/ariacomputecompany/firmware/arc/share"
)

type outdatedResult struct {
	Bundles []share.Outdated `json:"bundles"`
}

func (a *app) outdatedCmd() *cobra.Command {
	var plain bool
	c := &cobra.Command{
		Use:     "outdated",
		Short:   "Say which installed bundles have newer versions",
		Long:    wordsOutdatedLong,
		GroupID: groupShare,
		Args:    want(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := project.Find(".")
			if err != nil {
				return asBuild(err)
			}
			lock, err := share.ReadLock(dir)
			if err != nil {
				return asBuild(err)
			}
			rules, _, err := a.trusted("", nil)
			if err != nil {
				return err
			}
			all, err := a.sharing(plain, rules).Outdated(c.Context(), lock)
			if err != nil {
				return stopped(c.Context(), err)
			}
			behind := []share.Outdated{}
			for _, o := range all {
				if o.Behind() {
					behind = append(behind, o)
				}
			}
			return a.result(outdatedResult{behind}, func(w io.Writer) {
				if len(behind) == 0 {
					a.note("%s, each the newest there is", count(len(all), "installed bundle"))
					return
				}
				table(w, "NAME\tRANGE\tLOCKED\tWANTED\tLATEST\tFROM\t", len(behind), func(i int) string {
					o := behind[i]
					note := ""
					switch {
					case o.Yanked != "":
						note = "taken back: " + clean(firstLine(o.Yanked))
					case o.Claimed != "":
						note = wordsClaimed + " (unproven): " + clean(firstLine(o.Claimed))
					}
					return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", o.Name, o.Range, o.Version, o.Wanted, o.Latest, o.From, note)
				})
				a.note(`"arc install NAME@RANGE" takes the newest in a range`)
			})
		},
	}
	plainFlag(c, &plain)
	return c
}
