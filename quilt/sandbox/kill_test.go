package sandbox

import "os"

func launcherMain(args []string) { os.Exit(3) }
func engineMain(args []string)   { os.Exit(3) }
