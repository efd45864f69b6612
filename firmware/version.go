package firmware

import "github.com/Masterminds/semver/v3"

// Older says whether a version comes before another in the order of semver.org. A
// version that has no place in that order is older than any that has one, for
// nothing vouches that it is not.
func Older(version, than string) bool {
	t, err := semver.NewVersion(than)
	if err != nil {
		return false
	}
	v, err := semver.NewVersion(version)
	return err != nil || v.LessThan(t)
}
