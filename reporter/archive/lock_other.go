//go:build !unix

package archive

import (
	"errors"
	"os"
)

// lock refuses: where the plugin runs, archives are read, and the reporter runs on
// Linux.
func lock(*os.File) error { return errors.New("files can't be locked on this system") }
